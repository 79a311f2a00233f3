package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

func TestNegotiation(t *testing.T) {
	t.Parallel()
	const fhirJSON, json = "application/fhir+json; charset=utf-8", "application/json; charset=utf-8"
	for _, c := range []struct {
		claim, accept, query string
		status               int
		media                string
	}{
		{"G5.1 no Accept gets FHIR JSON", "", "", 200, fhirJSON},
		{"G5.1 anything gets FHIR JSON", "*/*", "", 200, fhirJSON},
		{"G5.1 the generic type is answered in kind", "application/json", "", 200, json},
		{"G5.1 q-values decide", "application/fhir+json;q=0.5, application/json;q=0.9", "", 200, json},
		{"G5.1 among equals FHIR's own wins", "application/json, application/fhir+json", "", 200, fhirJSON},
		{"G5.1 q=0 excludes", "application/fhir+json;q=0, */*;q=0.1", "", 200, json},
		{"G5.1 a browser gets JSON", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", 200, fhirJSON},
		{"G5.1 fhirVersion 4.0 is ours", "application/fhir+json; fhirVersion=4.0", "", 200, fhirJSON},
		{"G5.1 _format wins over Accept", "application/fhir+xml", "?_format=json", 200, fhirJSON},
		{"G5.1 _format takes a media type", "", "?_format=application/json", 200, json},
		{"G5.1 _format takes an encoded plus", "", "?_format=application%2Ffhir%2Bjson", 200, fhirJSON},
		{"G5.1 _format takes a plus that became a space", "", "?_format=application/fhir+json", 200, fhirJSON},
		{"G5.2 XML is 406", "application/fhir+xml", "", 406, fhirJSON},
		{"G5.2 another FHIR version is 406", "application/fhir+json;fhirVersion=3.0", "", 406, fhirJSON},
		{"G5.2 _format=xml is 406", "", "?_format=xml", 406, fhirJSON},
		{"G5.2 everything refused is 406", "*/*;q=0", "", 406, fhirJSON},
		{"G5.2 _pretty=maybe is 400", "", "?_pretty=maybe", 400, fhirJSON},
		{"G5.2 two formats are 400", "", "?_format=json&_format=application/json", 400, fhirJSON},
		{"G5.2 _summary=count on read is 400", "", "?_summary=count", 400, fhirJSON},
		{"G5.3 the outcome comes in the type that was asked for", "application/json", "?_elements=x", 400, json},
	} {
		t.Run(c.claim, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, nil).seed(t)
			w := e.do(t, "GET", "/fhir/Patient/1"+c.query, "", "Accept", c.accept)
			if got := w.Header().Get("Content-Type"); w.Code != c.status || got != c.media {
				t.Errorf("got %d %s, want %d %s: %s", w.Code, got, c.status, c.media, w.Body)
			}
			if c.status >= 400 && outcomeCode(t, w.Body.Bytes()) == "" {
				t.Errorf("no outcome: %s", w.Body)
			}
		})
	}
	t.Run("G5.1 _pretty only adds white space", func(t *testing.T) {
		t.Parallel()
		e := newEnv(t, nil)
		e.do(t, "POST", "/fhir/Observation", `{"resourceType":"Observation","status":"final","code":{"text":"weight"},"valueQuantity":{"value":1.00e-2}}`)
		raw := e.do(t, "GET", "/fhir/Observation/made-1", "").Body.String()
		pretty := e.do(t, "GET", "/fhir/Observation/made-1?_pretty=true", "").Body.String()
		if pretty == raw || !strings.Contains(raw, "1.00e-2") || strings.NewReplacer("\n", "", " ", "").Replace(pretty) != raw {
			t.Errorf("got %s of %s", pretty, raw)
		}
	})
	t.Run("G5.4 charset latin1 is 415", func(t *testing.T) {
		t.Parallel()
		w := newEnv(t, nil).do(t, "POST", "/fhir/Patient", `{}`, "Content-Type", "application/fhir+json; charset=iso-8859-1")
		if w.Code != 415 {
			t.Errorf("got %d", w.Code)
		}
	})
}

// plain is the body, decompressed.
func plain(t testing.TB, w *httptest.ResponseRecorder) []byte {
	t.Helper()
	if w.Header().Get("Content-Encoding") != "gzip" {
		return w.Body.Bytes()
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGzip(t *testing.T) {
	t.Parallel()
	big := `{"resourceType":"Patient","id":"big","language":"` + strings.Repeat("de", 2000) + `"}`
	pack := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(s))
		_ = z.Close()
		return b.String()
	}
	t.Run("G5.4 a large answer is compressed for who accepts it", func(t *testing.T) {
		t.Parallel()
		e := newEnv(t, nil)
		e.do(t, "PUT", "/fhir/Patient/big", big)
		plainly := e.do(t, "GET", "/fhir/Patient/big", "", "Accept-Encoding", "br, gzip;q=0")
		packed := e.do(t, "GET", "/fhir/Patient/big", "", "Accept-Encoding", "br, gzip")
		if plainly.Header().Get("Content-Encoding") != "" || packed.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(packed.Header().Get("Vary"), "Accept-Encoding") {
			t.Fatalf("headers %v, %v", plainly.Header(), packed.Header())
		}
		if packed.Body.Len() > 1000 || !bytes.Equal(plain(t, packed), plainly.Body.Bytes()) {
			t.Error("not the same body, or not smaller")
		}
	})
	t.Run("G5.4 a small answer is not", func(t *testing.T) {
		t.Parallel()
		w := newEnv(t, nil).seed(t).do(t, "GET", "/fhir/Patient/1", "", "Accept-Encoding", "gzip")
		if w.Header().Get("Content-Encoding") != "" {
			t.Error("compressed")
		}
	})
	t.Run("G5.4 a compressed body is read", func(t *testing.T) {
		t.Parallel()
		w := newEnv(t, nil).do(t, "PUT", "/fhir/Patient/big", pack(big), "Content-Encoding", "gzip")
		if w.Code != 201 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
	t.Run("G2.3 a body that is too large only when decompressed is 413", func(t *testing.T) {
		t.Parallel()
		e := newEnv(t, func(s *Server) { s.Limits.Body = 1000 })
		if w := e.do(t, "PUT", "/fhir/Patient/big", pack(big), "Content-Encoding", "gzip"); w.Code != 413 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
	t.Run("G2.3 a damaged or unknown encoding is refused", func(t *testing.T) {
		t.Parallel()
		e := newEnv(t, nil)
		for encoding, want := range map[string]int{"gzip": 400, "br": 415} {
			if w := e.do(t, "PUT", "/fhir/Patient/big", big, "Content-Encoding", encoding); w.Code != want {
				t.Errorf("%s: got %d %s", encoding, w.Code, w.Body)
			}
		}
	})
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const app = "https://app.example.org"
	e := newEnv(t, func(s *Server) { s.Origins = []string{app} }).seed(t)
	for _, x := range []exchange{
		{claim: "A11 a known origin may read", method: "GET", path: "/fhir/Patient/1", headers: []string{"Origin", app}, status: 200, header: map[string]string{"Access-Control-Allow-Origin": app}},
		{claim: "A11 an unknown origin may not", method: "GET", path: "/fhir/Patient/1", headers: []string{"Origin", "https://evil.example.org"}, status: 200, header: map[string]string{"Access-Control-Allow-Origin": ""}},
		{claim: "A11 errors too are for a known origin to see", method: "GET", path: "/fhir/Patient/x", headers: []string{"Origin", app}, status: 404, code: fhir.CodeNotFound, header: map[string]string{"Access-Control-Allow-Origin": app}},
		{claim: "A11 every origin may read the metadata", method: "GET", path: "/fhir/metadata", headers: []string{"Origin", "https://evil.example.org"}, status: 200, header: map[string]string{"Access-Control-Allow-Origin": "*"}},
		{
			claim: "A11 a preflight is answered", method: "OPTIONS", path: "/fhir/Patient/1", headers: []string{"Origin", app, "Access-Control-Request-Method", "PUT"}, status: 204,
			header: map[string]string{"Access-Control-Allow-Methods": corsMethods, "Access-Control-Allow-Origin": app, "Allow": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"},
		},
		{
			claim: "A11 a preflight from elsewhere gets nothing", method: "OPTIONS", path: "/fhir/Patient/1", headers: []string{"Origin", "https://evil.example.org", "Access-Control-Request-Method", "PUT"}, status: 204,
			header: map[string]string{"Access-Control-Allow-Methods": "", "Access-Control-Allow-Origin": ""},
		},
		{claim: "A11 OPTIONS tells the methods of a search", method: "OPTIONS", path: "/fhir/Patient/_search", status: 204, header: map[string]string{"Allow": "POST, OPTIONS"}},
	} {
		t.Run(x.claim, func(t *testing.T) {
			t.Parallel()
			x.check(t, e)
		})
	}
}

func TestForwarded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		claim, remote string
		headers       []string
		want          string
	}{
		{"G5.4 a trusted proxy's Forwarded shows in links", "10.1.2.3:5", []string{"Forwarded", "for=1.2.3.4;proto=http;host=evil, for=9.9.9.9;proto=https;host=\"ehr.example.org\""}, "https://ehr.example.org/fhir/Patient"},
		{"G5.4 so does X-Forwarded", "10.1.2.3:5", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "ehr.example.org:8443"}, "https://ehr.example.org:8443/fhir/Patient"},
		{"G5.4 anybody else's does not", "11.1.2.3:5", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example.org"}, testBase + "/Patient"},
		{"G5.4 a host that is none is not taken", "10.1.2.3:5", []string{"X-Forwarded-Host", `evil"/><x`}, testBase + "/Patient"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, func(s *Server) { s.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/fhir/Patient", nil)
			r.RemoteAddr = c.remote
			for i := 0; i < len(c.headers); i += 2 {
				r.Header.Add(c.headers[i], c.headers[i+1])
			}
			w := httptest.NewRecorder()
			e.handler.ServeHTTP(w, r)
			if want := `"url":"` + c.want + `"`; !strings.Contains(w.Body.String(), want) {
				t.Errorf("no %s in %s", want, w.Body)
			}
		})
	}
}

func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(s *Server) { s.LoopbackOnly, s.Base = true, "https://ehr.example.org/fhir" })
	for host, want := range map[string]int{
		"localhost:8080": 200, "127.0.0.1": 200, "127.0.0.2:1": 200, "[::1]:8080": 200, "ehr.example.org": 200,
		"evil.example.org": 421, "127.0.0.1.evil.example.org": 421, "": 421, "10.0.0.1": 421,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/fhir/metadata", nil)
		r.Host = host
		w := httptest.NewRecorder()
		e.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	for _, x := range []exchange{
		{claim: "G6 metadata has an ETag", method: "GET", path: "/fhir/metadata", status: 200, header: map[string]string{"ETag": `W/"abc"`, "Cache-Control": "no-cache"}},
		{claim: "G6 metadata is 304 for who has it", method: "GET", path: "/fhir/metadata", headers: []string{"If-None-Match", `W/"abc"`}, status: 304},
		{claim: "G6 mode=normative is answered", method: "GET", path: "/fhir/metadata?mode=normative", status: 200, contains: []string{"normative"}},
		{claim: "G6 mode=terminology is refused", method: "GET", path: "/fhir/metadata?mode=terminology", status: 400, code: fhir.CodeNotSupported},
		{claim: "G6 an unknown mode is refused", method: "GET", path: "/fhir/metadata?mode=x", status: 400, code: fhir.CodeInvalid},
		{claim: "G6 metadata cannot be written", method: "POST", path: "/fhir/metadata", status: 405, code: fhir.CodeNotSupported},
	} {
		t.Run(x.claim, func(t *testing.T) {
			t.Parallel()
			x.check(t, e)
		})
	}
}

// broken has fewer errors than anybody would expect.
func broken(context.Context) []error { return nil }

func TestFailures(t *testing.T) {
	t.Parallel()
	secret := errors.New("connection to 10.0.0.7 refused")
	for _, c := range []struct {
		claim  string
		hook   func(context.Context) error
		status int
		code   fhir.IssueCode
		logged string
	}{
		{"an untyped error is a bland 500", func(context.Context) error { return secret }, 500, fhir.CodeException, secret.Error()},
		{"a panic is a 500 and is logged with its stack", func(ctx context.Context) error { return broken(ctx)[len(t.Name())] }, 500, fhir.CodeException, "index out of range"},
		{"the value of a panic is not logged", func(context.Context) error { panic("John Smith") }, 500, fhir.CodeException, "panic of type string"},
		{"a deadline is a 504", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 504, fhir.CodeTimeout, "timeout"},
		{"a store that is away is a 503", func(context.Context) error { return fmt.Errorf("find: %w", store.ErrUnavailable) }, 503, fhir.CodeTransient, "find: store: unavailable"},
		{"a repository that says so is a 503", func(context.Context) error {
			return fhir.Errorf(fhir.CodeTransient, "", "Try again.").Because(secret)
		}, 503, fhir.CodeTransient, secret.Error()},
	} {
		t.Run(c.claim, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, func(s *Server) {
				if c.status == 504 {
					s.Limits.Timeout = 20 * time.Millisecond
				}
			})
			e.fake.hook = c.hook
			w := e.do(t, "GET", "/fhir/Patient/1", "")
			if w.Code != c.status || outcomeCode(t, w.Body.Bytes()) != c.code {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "10.0.0.7") || strings.Contains(e.log.String(), "John Smith") {
				t.Errorf("leaks: %s / %s", w.Body, e.log)
			}
			if !strings.Contains(e.log.String(), c.logged) {
				t.Errorf("log without %q: %s", c.logged, e.log)
			}
			if (c.status == 503) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
			}
		})
	}
	t.Run("beyond the limit of requests in flight the answer is 503", func(t *testing.T) {
		t.Parallel()
		e := newEnv(t, func(s *Server) { s.Limits.InFlight = 1 })
		inside, leave := make(chan struct{}), make(chan struct{})
		e.fake.hook = func(context.Context) error { close(inside); <-leave; return nil }
		done := make(chan int)
		go func() { done <- e.do(t, "GET", "/fhir/Patient/1", "").Code }()
		<-inside
		w := e.do(t, "GET", "/fhir/Patient/1", "")
		if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("got %d", w.Code)
		}
		if alive := e.do(t, "GET", "/healthz", ""); alive.Code != 200 {
			t.Errorf("healthz %d", alive.Code)
		}
		close(leave)
		if first := <-done; first != 404 {
			t.Errorf("the first request got %d", first)
		}
	})
}

func TestLog(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil).seed(t)
	t.Run("G5.4 the request id is echoed when sane", func(t *testing.T) {
		if got := e.do(t, "GET", "/fhir/Patient/1", "", "X-Request-Id", "abc-1").Header().Get("X-Request-Id"); got != "abc-1" {
			t.Errorf("got %q", got)
		}
		if got := e.do(t, "GET", "/fhir/Patient/1", "", "X-Request-Id", "a b\"c").Header().Get("X-Request-Id"); len(got) != 20 {
			t.Errorf("got %q", got)
		}
	})
	t.Run("one line per request, without what the query says", func(t *testing.T) {
		e.log.Reset()
		e.do(t, "GET", "/fhir/Patient?_id=smith&_count=2", "", "X-Request-Id", "r1")
		e.do(t, "SMITH", "/fhir/Patient/john%20smith", "")
		e.do(t, "GET", "/fhir/John-Smith/1", "")
		if strings.Contains(strings.ToLower(e.log.String()), "smith") {
			t.Errorf("leaks: %s", e.log)
		}
		first, _, _ := strings.Cut(e.log.String(), "\n")
		var line map[string]any
		if err := json.Unmarshal([]byte(first), &line); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]any{"route": "/[type]", "interaction": "search-type", "type": "Patient", "status": 200.0, "request": "r1", "method": "GET"} {
			if line[name] != want {
				t.Errorf("%s: %v, want %v", name, line[name], want)
			}
		}
		if n := strings.Count(e.log.String(), "\n"); n != 3 {
			t.Errorf("%d lines", n)
		}
	})
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var down error
	e := newEnv(t, func(s *Server) { s.Ready = func(context.Context) error { return down } })
	if w := e.do(t, "GET", "/readyz", ""); w.Code != 200 {
		t.Errorf("ready: %d", w.Code)
	}
	down = errors.New("no primary")
	if w := e.do(t, "GET", "/readyz", ""); w.Code != 503 || strings.Contains(w.Body.String(), "primary") {
		t.Errorf("store down: %d %s", w.Code, w.Body)
	}
	down = nil
	e.draining.Store(true)
	if w := e.do(t, "GET", "/readyz", ""); w.Code != 503 {
		t.Errorf("draining: %d", w.Code)
	}
	if w := e.do(t, "GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("alive: %d", w.Code)
	}
}
