package promises

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/internal/patience"
)

// client is one that sends requests over connections of its own.
type client struct {
	base string // FHIR base URL
	http http.Client
}

func newClient(base string) *client {
	return &client{base: base, http: http.Client{Transport: &http.Transport{}, Timeout: patience.Limit}}
}

// close ends the connections.
func (c *client) close() { c.http.CloseIdleConnections() }

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request to a path below the base, or to an absolute URL. Headers come
// in pairs. The error says that no whole answer came.
func (c *client) send(ctx context.Context, method, path, body string, headers ...string) (answer, error) {
	url := path
	if !strings.HasPrefix(path, "http") {
		url = c.base + "/" + path
	}
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, data}, err
}

// must sends a request that has to be answered with this status.
func (c *client) must(t testing.TB, want int, method, path, body string, headers ...string) answer {
	t.Helper()
	a, err := c.send(t.Context(), method, path, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	if a.status != want {
		t.Fatalf("%s %.200s: %d, want %d: %.500s", method, path, a.status, want, a.body)
	}
	return a
}

// into decodes the body.
func (a answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v: %.300s", err, a.body)
	}
}

// ok reports whether the request was carried out.
func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

// later reports whether the request was refused for now, as P7 wants it.
func (a answer) later() bool {
	return (a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests) && a.header.Get("Retry-After") != ""
}

// made is what a Location or a response of a Bundle names: [type]/[id] and the version.
func made(location string) (key, version string) {
	key, version, _ = strings.Cut(location, "/_history/")
	if parts := strings.Split(key, "/"); len(parts) > 2 {
		key = strings.Join(parts[len(parts)-2:], "/")
	}
	return key, version
}

// basic is what the tests read of a resource. Its text and its identifiers say which
// write it comes from.
type basic struct {
	ResourceType, ID string
	Meta             struct{ VersionID string }
	Identifier       []struct{ Value string }
	Code             struct{ Text string }
}

func (b basic) key() string { return b.ResourceType + "/" + b.ID }

// bundle is what the tests read of a Bundle.
type bundle struct {
	Total *int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		FullURL  string
		Resource basic
		Request  struct{ Method, URL string }
		Response struct{ Status, Location, Etag string }
	}
}

func (b bundle) next() string {
	for _, l := range b.Link {
		if l.Relation == "next" {
			return l.URL
		}
	}
	return ""
}

// pages follows the next links.
func (c *client) pages(t testing.TB, path string, each func(bundle)) {
	t.Helper()
	for path != "" {
		var b bundle
		c.must(t, http.StatusOK, http.MethodGet, path, "").into(t, &b)
		each(b)
		path = b.next()
	}
}
