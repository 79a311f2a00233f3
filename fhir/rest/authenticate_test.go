package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

type whoKey struct{}

// withTokens is a server that knows the tokens "amy" and "tom", and tells the
// repository who asks.
func withTokens(t *testing.T) *env {
	t.Helper()
	return newEnv(t, func(s *Server) {
		s.Authenticate = func(ctx context.Context, h http.Header) (context.Context, Caller, error) {
			token, err := Bearer(h)
			if err != nil {
				return nil, Caller{}, err
			}
			if token != "amy" && token != "tom" {
				return nil, Caller{}, fhir.Errorf(fhir.CodeLogin, "", "The access token is not valid, or not any more.")
			}
			return context.WithValue(ctx, whoKey{}, token), Caller{Name: token, Client: "app", Account: "acc-" + token}, nil
		}
		s.Origin = func(_ context.Context, origin string) bool { return origin == "https://app.example.org" }
		s.Others = []Other{
			{Path: "/auth", Prefix: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.WriteHeader(http.StatusTeapot)
				_, _ = fmt.Fprint(w, "at "+r.URL.Path)
			})},
			{Path: "/fhir/.well-known/smart-configuration", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprint(w, "{}")
			})},
			{Path: "/boom", Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })},
		}
	})
}

func TestE1_WithoutAValidTokenEveryRouteIs401(t *testing.T) {
	t.Parallel()
	e := withTokens(t)
	paths := []string{
		"", "/Patient", "/Patient/1", "/Patient/1/_history", "/Patient/1/_history/1", "/Patient/_search", "/_search", "/_history", "/Patient/1/Observation",
		"/Patient/1/*", "/Patient/1/$everything", "/$export", "/Nonsense", "/Nonsense/1", "/a/b/c/d/e", "/Patient/not valid", "/Claim/1", "/metadata/x",
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"} {
		for _, path := range paths {
			for name, header := range map[string][]string{
				"E1 no token": nil, "E1 garbage": {"Authorization", "Bearer nonsense"}, "E1 other scheme": {"Authorization", "Basic YTpi"},
				"E1 empty": {"Authorization", "Bearer "}, "E1 two tokens": {"Authorization", "Bearer amy, Bearer tom"},
			} {
				r := e.do(t, method, "/fhir"+strings.ReplaceAll(path, " ", "%20"), "{}", header...)
				if r.Code != http.StatusUnauthorized {
					t.Errorf("%s: %s %s gives %d", name, method, path, r.Code)
				}
				want := `Bearer realm="` + testBase + `"`
				if header != nil {
					want += `, error="invalid_token"`
				}
				if got := r.Header().Get("WWW-Authenticate"); got != want {
					t.Errorf("%s: %s %s: WWW-Authenticate is %q", name, method, path, got)
				}
				if method != "HEAD" && !strings.Contains(r.Body.String(), `"code":"login"`) {
					t.Errorf("%s: %s %s: body %s", name, method, path, r.Body)
				}
			}
		}
	}
}

func TestE1_DiscoveryHealthAndPreflightsAreOpen(t *testing.T) {
	t.Parallel()
	e := withTokens(t)
	for path, status := range map[string]int{
		"/fhir/metadata": 200, "/fhir/metadata/": 200, "/healthz": 200, "/fhir/.well-known/smart-configuration": 200, "/auth/token": http.StatusTeapot,
	} {
		if r := e.do(t, "GET", path, ""); r.Code != status {
			t.Errorf("GET %s gives %d, want %d", path, r.Code, status)
		}
	}
	if r := e.do(t, "OPTIONS", "/fhir/Patient/1", "", "Origin", "https://app.example.org", "Access-Control-Request-Method", "GET"); r.Code != 204 || r.Header().Get("Access-Control-Allow-Origin") != "https://app.example.org" {
		t.Errorf("A11 a preflight from a registered origin gives %d, %v", r.Code, r.Header())
	}
	if r := e.do(t, "GET", "/fhir/Patient/1", "", "Origin", "https://evil.example.org"); r.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("A11 an origin that is not registered is let in")
	}
}

func TestTheRepositoryIsToldWhoAsks(t *testing.T) {
	t.Parallel()
	e := withTokens(t)
	var seen []any
	e.fake.hook = func(ctx context.Context) error { seen = append(seen, ctx.Value(whoKey{})); return nil }
	e.do(t, "GET", "/fhir/Patient/1", "", "Authorization", "bearer amy")
	e.do(t, "GET", "/fhir/Patient", "", "Authorization", "Bearer tom")
	if got := fmt.Sprint(seen); got != "[amy tom]" {
		t.Errorf("the repository saw %s", got)
	}
	if log := e.log.String(); !strings.Contains(log, `"client":"app","account":"acc-amy"`) {
		t.Errorf("the log does not say who: %s", log)
	}
}

func TestE6_ACursorIsGoodForItsCallerOnly(t *testing.T) {
	t.Parallel()
	e := withTokens(t)
	for range 5 {
		e.do(t, "POST", "/fhir/Patient", `{"resourceType":"Patient"}`, "Content-Type", "application/fhir+json", "Authorization", "Bearer amy")
	}
	for _, path := range []string{"/fhir/Patient", "/fhir/Patient/_history"} {
		page := e.do(t, "GET", path, "", "Authorization", "Bearer amy")
		_, next, ok := strings.Cut(page.Body.String(), `"relation":"next","url":"`+testBase)
		next, _, _ = strings.Cut(next, `"`)
		if !ok {
			t.Fatalf("no next link: %s", page.Body)
		}
		if r := e.do(t, "GET", "/fhir"+next, "", "Authorization", "Bearer amy"); r.Code != 200 {
			t.Errorf("%s: the next page gives %d: %s", path, r.Code, r.Body)
		}
		if r := e.do(t, "GET", "/fhir"+next, "", "Authorization", "Bearer tom"); r.Code != 400 {
			t.Errorf("%s: somebody else's cursor gives %d", path, r.Code)
		}
	}
}

func TestOtherHandlersAreCountedLoggedAndSurvived(t *testing.T) {
	t.Parallel()
	e := withTokens(t)
	if r := e.do(t, "GET", "/auth/token", ""); r.Body.String() != "at /auth/token" {
		t.Errorf("got %s", r.Body)
	}
	if log := e.log.String(); !strings.Contains(log, `"interaction":"other","mount":"/auth","status":418`) {
		t.Errorf("the log says %s", log)
	}
	if r := e.do(t, "GET", "/boom", ""); r.Code != 500 {
		t.Errorf("a panic gives %d", r.Code)
	}
	if r := e.do(t, "GET", "/authority", ""); r.Code != 404 {
		t.Errorf("a path that only begins like a mount gives %d", r.Code)
	}
}
