package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/internal/patience"
)

// client sends requests to one server.
type client struct {
	base string // FHIR base URL
	http http.Client
}

func newClient(base string) *client {
	return &client{base: strings.TrimSuffix(base, "/"), http: http.Client{
		Timeout:       patience.Limit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body []byte
}

// do sends a request to a path below the base, or to an absolute URL. Headers come in pairs.
func (c *client) do(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	url := path
	if !strings.HasPrefix(path, "http") {
		url = c.base + "/" + path
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, data}
}

// want fails unless the status is one of those given, and every error is an OperationOutcome.
func (a answer) want(t *testing.T, statuses ...int) answer {
	t.Helper()
	for _, s := range statuses {
		if a.StatusCode == s {
			if s >= 400 && a.Request.Method != http.MethodHead && !bytes.Contains(a.body, []byte("OperationOutcome")) {
				t.Fatalf("%s %s: %d without an OperationOutcome: %.300s", a.Request.Method, a.Request.URL, s, a.body)
			}
			return a
		}
	}
	t.Fatalf("%s %s: %d, want %v: %.300s", a.Request.Method, a.Request.URL, a.StatusCode, statuses, a.body)
	return a
}

// into decodes the body.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%s: %v: %.300s", a.Request.URL, err, a.body)
	}
}

// decode reads a body for a cleanup, when the context of the test is over.
func decode(body io.Reader, v any) error { return json.NewDecoder(body).Decode(v) }

// bundle is what the cases read of a Bundle.
type bundle struct {
	Type  string
	Total *int
	Meta  struct{ LastUpdated string }
	Link  []struct{ Relation, URL string }
	Entry []entry
}

type entry struct {
	FullURL  string
	Resource json.RawMessage
	Request  struct{ Method, URL string }
	Response struct{ Status, Etag, LastModified string }
	Search   struct{ Mode string }
}

func (b bundle) link(relation string) string {
	for _, l := range b.Link {
		if l.Relation == relation {
			return l.URL
		}
	}
	return ""
}

// resource is what the cases read of any resource.
type resource struct {
	ResourceType, ID string
	Meta             struct{ VersionID, LastUpdated string }
}

func (e entry) resource(t *testing.T) resource {
	t.Helper()
	var r resource
	if err := json.Unmarshal(e.Resource, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// all follows the next links from a search.
func (c *client) all(t *testing.T, search string) []entry {
	t.Helper()
	var entries []entry
	for url, pages := search, 0; url != ""; pages++ {
		if pages > 1000 {
			t.Fatalf("%s: does not end", search)
		}
		var b bundle
		c.do(t, "GET", url, "").want(t, 200).into(t, &b)
		entries = append(entries, b.Entry...)
		url = b.link("next")
	}
	return entries
}

// remove deletes for a cleanup, when the context of the test is over.
func (c *client) remove(url string) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodDelete, url, nil)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}
