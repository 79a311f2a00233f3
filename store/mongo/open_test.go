package mongo_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/mongo"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
)

func TestOpenNeverQuotesCredentials(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{
		"mongodb://amy:hunter2@127.0.0.1:1/clinic?connectTimeoutMS=50",
		"mongodb://amy:hunter2@127.0.0.1:1/clinic?retryWrites=perhaps",
		"mongodb://amy:hunter2@127.0.0.1:1/clinic?authMechanism=NONE",
		"mongodb://amy:hunter2%zz@127.0.0.1:1/clinic",
		"mongodb://amy:hunter2/x@127.0.0.1:1/clinic",
		"mongodb://amy:hun@ter2@127.0.0.1:1/hunter",
		"mongodb://amy:hunter2?x@127.0.0.1:1/clinic",
		"mongodb://amy:hunter2@127.0.0.1:hunter/clinic",
		"mongodb://amy:hunter2@/clinic",
		"mongodb://127.0.0.1:1/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:hunter2",
		"mongodb://127.0.0.1:1/?tls=true&tlsCertificateKeyFile=/none.pem&tlsCertificateKeyFilePassword=hunter2",
		"mongodb+srv://amy:hunter2@clinic.invalid/x?loadBalanced=maybe",
		"postgres://amy:hunter2@127.0.0.1/clinic",
		"amy:hunter2",
	} {
		s, err := mongo.Open(t.Context(), uri, mongo.Options{Timeout: 100 * time.Millisecond})
		if err == nil {
			_ = s.Close()
			t.Errorf("opened %s", uri)
			continue
		}
		for _, secret := range []string{"hunter2", "amy", "ter2", "%zz"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error for %s quotes %q: %v", uri, secret, err)
			}
		}
	}
}

func TestOpenSaysWhatIsWrongWithAURI(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"localhost:27017": "starts with mongodb://",
		"mongodb://localhost:27017/?retryWrites=perhaps": "retryWrites",
		"mongodb://amy:p%zz@localhost:27017/":            "percent-encode",
		"mongodb://127.0.0.1:1/x":                        "cannot reach",
	} {
		_, err := mongo.Open(t.Context(), uri, mongo.Options{Timeout: 100 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want something with %q", uri, err, want)
		}
	}
}

func TestAnUnreachableServerIsErrUnavailable(t *testing.T) {
	t.Parallel()
	_, err := mongo.Open(t.Context(), "mongodb://127.0.0.1:1/", mongo.Options{Timeout: 100 * time.Millisecond})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error is %v", err)
	}
}

func TestAStandaloneServerIsRefusedUnlessDev(t *testing.T) {
	t.Parallel()
	uri := mongotest.Standalone(t)
	_, err := mongo.Open(t.Context(), uri, mongo.Options{Timeout: patience.Limit})
	if err == nil || !strings.Contains(err.Error(), "rs.initiate") || !strings.Contains(err.Error(), "--mongo-dev") {
		t.Fatalf("error is %v, want why and what to do", err)
	}
	s, err := mongo.Open(t.Context(), uri, mongo.Options{Dev: true, Timeout: patience.Limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if s.Transactions() {
		t.Error("it says that it has transactions")
	}
}

func TestWithoutTransactionsAFailedBatchIsUndone(t *testing.T) {
	t.Parallel()
	s, err := mongo.Open(t.Context(), mongotest.Standalone(t), mongo.Options{Dev: true, Timeout: patience.Limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	v := store.V
	must(t, s.Apply(t.Context(), []store.Op{insert("a", 1, "x"), insert("a", 2, "y"), insert("b", 1, "z")}))
	err = s.Apply(t.Context(), []store.Op{
		insert("a", 3, "new"),
		{Kind: store.Update, Collection: "a", ID: v(1), Set: []store.Field{{Path: "s", Value: v("changed")}}},
		{Kind: store.Delete, Collection: "a", ID: v(2)},
		{Kind: store.Replace, Collection: "b", ID: v(1), Doc: insert("b", 1, "changed").Doc},
		{Kind: store.Delete, Collection: "b", ID: v(9)},
	})
	var failed *store.OpError
	if !errors.As(err, &failed) || failed.Index != 4 || !errors.Is(err, store.ErrConflict) {
		t.Errorf("error is %v", err)
	}
	for _, want := range []struct {
		collection, s string
		n             int64
	}{{"a", "x", 2}, {"a", "y", 2}, {"b", "z", 1}} {
		n, err := s.Count(t.Context(), store.Query{Collection: want.collection})
		m, err2 := s.Count(t.Context(), store.Query{Collection: want.collection, Where: store.Eq{Path: "s", Value: v(want.s)}})
		if err != nil || err2 != nil || n != want.n || m != 1 {
			t.Errorf("%s has %d documents, %d with %s; %v, %v", want.collection, n, m, want.s, err, err2)
		}
	}
}

func TestNoIndexIsMadeInAnotherDatabase(t *testing.T) {
	t.Parallel()
	uri := mongotest.URI(t)
	ehr := mongotest.Database(t, uri)
	ix := store.Index{Collection: ehr + ".patients", Name: "mrn", Keys: []store.Key{{Path: "ids.mrn"}}, Unique: true}
	s, err := mongo.Open(t.Context(), uri, mongo.Options{Timeout: patience.Limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	err = s.Ensure(t.Context(), []store.Index{ix})
	want := `db.getSiblingDB("` + ehr + `").getCollection("patients").createIndex({"ids.mrn":1}, {"name":"mrn","unique":true})`
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want one with %s", err, want)
	}
	ddl, err := mongo.Open(t.Context(), uri, mongo.Options{AllowDDL: true, Timeout: patience.Limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ddl.Close() })
	must(t, ddl.Ensure(t.Context(), []store.Index{ix}))
	must(t, s.Ensure(t.Context(), []store.Index{ix})) // it is there now
}

func TestErrorsQuoteNoDocument(t *testing.T) {
	t.Parallel()
	s := open(t, mongo.Options{})
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Ensure(t.Context(), []store.Index{{Collection: "c", Name: "u", Keys: []store.Key{{Path: "s"}}, Unique: true}}))
	must(t, s.Apply(t.Context(), []store.Op{insert("c", 1, "Lena Shaw")}))
	for _, ops := range [][]store.Op{
		{insert("c", 2, "Lena Shaw")},
		{insert("c", 3, "x"), insert("c", 2, "Lena Shaw")},
		{{Kind: store.Update, Collection: "c", ID: store.V(1), Set: []store.Field{{Path: "s.t", Value: store.V("Lena")}}}},
	} {
		err := s.Apply(t.Context(), ops)
		if err == nil || strings.Contains(err.Error(), "Lena") {
			t.Errorf("error is %v", err)
		}
	}
}

func insert(collection string, id int, s string) store.Op {
	b, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "s", Value: s}})
	if err != nil {
		panic(err)
	}
	return store.Op{Kind: store.Insert, Collection: collection, Doc: b}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
