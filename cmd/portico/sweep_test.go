package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/store/storetest"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// ask is a request of the scenario and the status that it gets when nothing fails.
type ask struct {
	want               int
	method, path, body string
	headers            []string
	changes            bool
}

// scenario has each way to write, and reads between them.
func scenario() []ask {
	basic := func(id, text string) string {
		if id != "" {
			id = fmt.Sprintf(`"id":%q,`, id)
		}
		return fmt.Sprintf(`{"resourceType":"Basic",%s"identifier":[{"system":"http://sweep.example","value":%q}],"code":{"text":%[2]q}}`, id, text)
	}
	entry := func(method, url, resource, more string) string {
		if resource != "" {
			resource = `"resource":` + resource + ","
		}
		return fmt.Sprintf(`{%s"request":{"method":%q,"url":%q%s}}`, resource, method, url, more)
	}
	transaction := func(text, more string) string {
		return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join([]string{
			entry("POST", "Basic", basic("", text), more), entry("PUT", "Basic/a", basic("a", text+" a"), ""), entry("DELETE", "Basic/gone", "", ""),
			entry("PUT", "Basic?identifier=put%20there", basic("", text+" met"), ""), entry("GET", "Basic/a", "", ""),
		}, ",") + `]}`
	}
	const patch = `[{"op":"replace","path":"/code/text","value":"patched"}]`
	const criteria = "identifier=http://sweep.example|"
	return []ask{
		{201, "PUT", "Basic/a", basic("a", "first"), nil, true},
		{200, "PUT", "Basic/a", basic("a", "second"), []string{"If-Match", `W/"1"`}, true},
		{201, "PUT", "Basic/gone", basic("gone", "there"), nil, true},
		{201, "POST", "Basic", basic("", "conditional"), []string{"If-None-Exist", criteria + "conditional"}, true},
		{200, "POST", "Basic", basic("", "conditional"), []string{"If-None-Exist", criteria + "conditional"}, false},
		{201, "POST", "Basic", basic("", "keyed"), []string{"Idempotency-Key", "one"}, true},
		{201, "POST", "Basic", basic("", "keyed"), []string{"Idempotency-Key", "one"}, false},
		{200, "PATCH", "Basic/a", patch, []string{"Content-Type", "application/json-patch+json"}, true},
		{201, "PUT", "Basic?" + criteria + "put there", basic("", "put there"), nil, true},
		{200, "POST", "", transaction("transaction", `,"ifNoneExist":"`+criteria+`transaction"`), nil, true},
		{200, "POST", "", transaction("keyed transaction", ""), []string{"Idempotency-Key", "two"}, true},
		{200, "POST", "", transaction("keyed transaction", ""), []string{"Idempotency-Key", "two"}, false},
		{204, "DELETE", "Basic?" + criteria + "keyed", "", nil, true},
		{204, "DELETE", "Basic/a", "", nil, true},
		{201, "PUT", "Basic/a", basic("a", "back"), nil, true},
		{200, "GET", "Basic/a/_history", "", nil, false},
		{200, "GET", "Basic/_history?_count=3", "", nil, false},
		{200, "GET", "Basic?_total=accurate&_sort=-_lastUpdated", "", nil, false},
		{200, "GET", "Basic/a/_history/1", "", nil, false},
	}
}

// TestWhicheverOperationOfTheStoreFails fails the first, second, third … operation of
// the store under a scenario until none fails. Each time the request is refused for now
// and has changed nothing, and the same request sent again is carried out, once.
func TestWhicheverOperationOfTheStoreFails(t *testing.T) {
	t.Parallel()
	stores := backends.All()
	for _, name := range []string{"memory", "sqlite"} {
		for where, within := range map[string]bool{"at its start": false, "within a search": true} {
			t.Run("G4.1 P2 P5 "+name+", "+where, func(t *testing.T) {
				t.Parallel()
				want := ""
				stride := 1
				if testing.Short() {
					stride = 7
				}
				for n := 0; ; n += stride {
					f := &storetest.Failing{Store: stores[name](t), Within: within}
					final := sweep(t, f, n)
					if err := f.Store.Close(); err != nil {
						t.Error(err)
					}
					if n == 0 {
						want = final
						continue
					}
					if final != want {
						t.Fatalf("after operation %d had failed the end was\n%s\nand without\n%s", n, final, want)
					}
					if !f.Failed {
						if n < 60/stride {
							t.Errorf("only %d operations", n)
						}
						return
					}
				}
			})
		}
	}
}

// sweep runs the scenario; the nth operation of the store fails. It gives what there is in the end.
func sweep(t *testing.T, f *storetest.Failing, n int) string {
	t.Helper()
	c := defaultConfig()
	c.Auth, c.BaseURL = authOff, "http://localhost:8080"
	handler := wired(t, c, f).Handler()
	do := func(s ask) *httptest.ResponseRecorder {
		return asked(t, handler, s.method, strings.ReplaceAll(s.path, " ", "%20"), s.body, s.headers...)
	}
	f.Calls, f.N = 0, n
	for i, s := range scenario() {
		calls := f.Calls
		f.Calls = -1 << 30
		before := state(t, do)
		f.Calls = calls
		w := do(s)
		calls, f.Calls = f.Calls, -1<<30
		after := state(t, do)
		switch {
		case w.Code == s.want:
			if (before != after) != s.changes {
				t.Errorf("operation %d, step %d: from\n%s\nto\n%s", n, i, before, after)
			}
		case !f.Failed || w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "":
			t.Fatalf("operation %d, step %d: %d: %s", n, i, w.Code, w.Body)
		default:
			if before != after {
				t.Errorf("operation %d, step %d failed and changed\n%s\nto\n%s", n, i, before, after)
			}
			if w = do(s); w.Code != s.want {
				t.Fatalf("operation %d, step %d once more: %d: %s", n, i, w.Code, w.Body)
			}
		}
		f.Calls = calls
	}
	f.N = 0
	return state(t, do)
}

// state is what there is: of each resource what its versions say, and that it is found by
// what the last one says. Ids that the server made are left out.
func state(t *testing.T, do func(ask) *httptest.ResponseRecorder) string {
	t.Helper()
	get := func(path string) (b struct {
		Total int
		Entry []struct {
			Resource struct {
				ID         string
				Identifier []struct{ Value string }
				Code       struct{ Text string }
			}
			Request  struct{ Method, URL string }
			Response struct{ Etag string }
		}
	},
	) {
		w := do(ask{method: "GET", path: path})
		if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return b
	}
	said := map[string]string{}
	for _, e := range get("Basic/_history?_count=1000").Entry {
		id := e.Resource.ID
		if id == "" {
			id = strings.TrimPrefix(e.Request.URL, "Basic/")
		}
		said[id] += fmt.Sprint(" ", e.Response.Etag, " ", e.Request.Method, " ", e.Resource.Code.Text, ";")
	}
	found := get("Basic?_count=1000&_total=accurate")
	for _, e := range found.Entry {
		by := get("Basic?identifier=" + strings.ReplaceAll(e.Resource.Identifier[0].Value, " ", "%20")).Entry
		said[e.Resource.ID] += fmt.Sprint(" found with ", len(by)-1, " others")
	}
	var lines []string
	for id, line := range said {
		if len(id) > 8 {
			id = ""
		}
		lines = append(lines, id+line)
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s\n%d in all", strings.Join(lines, "\n"), found.Total)
}
