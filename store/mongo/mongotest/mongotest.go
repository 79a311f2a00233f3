package mongotest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portico-fhir/portico/internal/patience"
)

// Env names the variable with the URI of a real MongoDB to test with.
const Env = "PORTICO_TEST_MONGODB"

// Real says whether the tests run on a server that somebody named in Env.
func Real() bool { return os.Getenv(Env) != "" }

// URI gives the URI of a server with an empty database of the test's own as
// its path. A real server's database is dropped when the test ends. The test fails when
// there is no server: how to get one is in the message.
func URI(t testing.TB) string {
	t.Helper()
	base := os.Getenv(Env)
	if base == "" {
		base = startOnce(t)
	}
	// The name sorts and reads well and is the same length everywhere.
	name := "portico_test_" + strings.ToLower(rand.Text()[:12])
	uri := withDatabase(t, base, name)
	t.Cleanup(func() { drop(t, uri, name) })
	return uri
}

// Database gives the name of one more empty database on the server of uri,
// dropped when the test ends: an EHR's own, beside Portico's.
func Database(t testing.TB, uri string) string {
	t.Helper()
	name := "ehr_test_" + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() { drop(t, uri, name) })
	return name
}

// withDatabase puts the name of a database into the URI's path.
func withDatabase(t testing.TB, uri, name string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatalf("%s is not a URI", Env) // the parser's error may quote a password
	}
	if old := strings.Trim(u.Path, "/"); old != "" && u.User != nil && !u.Query().Has("authSource") {
		// The path of a URI is where its user is known, too.
		q := u.Query()
		q.Set("authSource", old)
		u.RawQuery = q.Encode()
	}
	u.Path = "/" + name
	return u.String()
}

// drop removes a database from a real server by a client of its own. The test
// server, which goes with its data, now and then gets stuck in a commit when
// collections are dropped beside it.
func drop(t testing.TB, uri, name string) {
	if !Real() {
		return
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Errorf("cannot drop the database %s", name)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience.Limit)
	defer cancel()
	defer func() { _ = client.Disconnect(ctx) }()
	if err := client.Database(name).Drop(ctx); err != nil {
		t.Errorf("cannot drop the database %s: %v", name, err)
	}
}
