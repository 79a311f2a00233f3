package promises

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
)

// rivals are how many send the same thing at once.
const rivals = 64

// together has each rival send a request over a connection of its own, all at
// once, to the servers in turn, and gives the answers.
func together(t *testing.T, bases []string, request func(i int, c *client) (answer, error)) []answer {
	t.Helper()
	answers := make([]answer, rivals)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range answers {
		c := newClient(bases[i%len(bases)])
		defer c.close()
		wg.Go(func() {
			<-start
			var err error
			if answers[i], err = request(i, c); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	close(start)
	wg.Wait()
	return answers
}

// count says how often each status came.
func count(answers []answer) map[int]int {
	n := map[int]int{}
	for _, a := range answers {
		n[a.status]++
	}
	return n
}

func TestParallelUpdates(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, flags []string) {
		s := program.Start(t, binary, flags...)
		c := newClient(s.Base)
		defer c.close()
		t.Run("G2.11 P3 of updates of one version one succeeds", func(t *testing.T) {
			c.must(t, http.StatusCreated, http.MethodPut, "Basic/one", content("Basic", "one", "first"))
			answers := together(t, []string{s.Base}, func(i int, c *client) (answer, error) {
				return c.send(t.Context(), http.MethodPut, "Basic/one", content("Basic", "one", fmt.Sprint("rival ", i)), "If-Match", `W/"1"`)
			})
			if n := count(answers); n[http.StatusOK] != 1 || n[http.StatusPreconditionFailed] != rivals-1 {
				t.Errorf("statuses %v", n)
			}
			for i, a := range answers {
				if a.ok() {
					wantVersions(t, c, "Basic/one", []string{"first", fmt.Sprint("rival ", i)})
				}
			}
		})
		t.Run("G2.11 P3 P4 updates without a condition are all kept", func(t *testing.T) {
			answers := together(t, []string{s.Base}, func(i int, c *client) (answer, error) {
				return c.send(t.Context(), http.MethodPut, "Basic/all", content("Basic", "all", fmt.Sprint("rival ", i)))
			})
			said := make([]string, rivals)
			for i, a := range answers {
				var v int
				if _, err := fmt.Sscanf(a.header.Get("Etag"), `W/"%d"`, &v); err != nil || !a.ok() || v < 1 || v > rivals || said[v-1] != "" {
					t.Fatalf("rival %d: %d, version %d: %.300s", i, a.status, v, a.body)
				}
				said[v-1] = fmt.Sprint("rival ", i)
			}
			wantVersions(t, c, "Basic/all", said)
		})
		t.Run("G2.11 P3 patches are all kept", func(t *testing.T) {
			c.must(t, http.StatusCreated, http.MethodPut, "Basic/patched", content("Basic", "patched", "first"))
			answers := together(t, []string{s.Base}, func(i int, c *client) (answer, error) {
				patch := fmt.Sprintf(`[{"op":"add","path":"/identifier/-","value":{"system":%q,"value":"rival %d"}}]`, system, i)
				return c.send(t.Context(), http.MethodPatch, "Basic/patched", patch, "Content-Type", "application/json-patch+json")
			})
			if n := count(answers); n[http.StatusOK] != rivals {
				t.Fatalf("statuses %v", n)
			}
			var b basic
			c.must(t, http.StatusOK, http.MethodGet, "Basic/patched", "").into(t, &b)
			if len(b.Identifier) != rivals+1 || b.Meta.VersionID != fmt.Sprint(rivals+1) {
				t.Errorf("%d identifiers in version %s", len(b.Identifier), b.Meta.VersionID)
			}
		})
	})
}

// wantVersions wants a resource to have exactly these versions, in its history and
// each for itself.
func wantVersions(t *testing.T, c *client, key string, said []string) {
	t.Helper()
	if got := take(t, c)[key]; fmt.Sprint(got) != fmt.Sprint(said) {
		t.Errorf("P4 the history of %s is %q, want %q", key, got, said)
	}
	for i, token := range said {
		a := c.must(t, http.StatusOK, http.MethodGet, fmt.Sprint(key, "/_history/", i+1), "")
		if !strings.Contains(string(a.body), fmt.Sprintf("%q", token)) {
			t.Errorf("P4 version %d was acknowledged with %q, and is %s", i+1, token, a.body)
		}
	}
}

func TestRepeatedCreates(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, flags []string) {
		repeated(t, program.Start(t, binary, flags...).Base)
	})
	t.Run("two servers on one mongodb", func(t *testing.T) {
		t.Parallel()
		flags := []string{"--auth", "off", "--store", mongotest.URI(t)}
		repeated(t, program.Start(t, binary, flags...).Base, program.Start(t, binary, flags...).Base)
	})
}

// repeated sends the same creation many times at once, in each of the ways in which
// it may be repeated.
func repeated(t *testing.T, bases ...string) {
	criteria := func(token string) string { return "identifier=" + system + "|" + token }
	for claim, send := range map[string]func(c *client, token string) (answer, error){
		"G2.11 P5 a conditional create": func(c *client, token string) (answer, error) {
			return c.send(t.Context(), http.MethodPost, "Basic", content("Basic", "", token), "If-None-Exist", criteria(token))
		},
		"G2.11 P5 a create with an Idempotency-Key": func(c *client, token string) (answer, error) {
			return c.send(t.Context(), http.MethodPost, "Basic", content("Basic", "", token), "Idempotency-Key", token)
		},
		"G2.11 P5 a transaction with an Idempotency-Key": func(c *client, token string) (answer, error) {
			return c.send(t.Context(), http.MethodPost, "", transaction(entry(http.MethodPost, "Basic", content("Basic", "", token)),
				entry(http.MethodPost, "Observation", content("Observation", "", token))), "Idempotency-Key", token)
		},
		"G2.11 P5 a conditional update": func(c *client, token string) (answer, error) {
			return c.send(t.Context(), http.MethodPut, "Basic?"+criteria(token), content("Basic", "", token))
		},
		"G4.11 P5 a transaction with a condition": func(c *client, token string) (answer, error) {
			return c.send(t.Context(), http.MethodPost, "", transaction(
				entry(http.MethodPost, "Basic", content("Basic", "", token), "ifNoneExist", criteria(token)),
				entry(http.MethodPut, "Observation?"+criteria(token), content("Observation", "", token))))
		},
	} {
		t.Run(claim, func(t *testing.T) {
			token := strings.ReplaceAll(claim, " ", "-")
			answers := together(t, bases, func(_ int, c *client) (a answer, err error) {
				for {
					// 409: somebody else is at it, and is not waited for.
					if a, err = send(c, token); err != nil || a.status != http.StatusConflict {
						return a, err
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
			places := map[string]int{} // that the answers name
			for i, a := range answers {
				var b bundle
				var one basic
				a.into(t, &b)
				a.into(t, &one)
				place := one.ID
				if len(b.Entry) == 2 {
					place, _ = made(b.Entry[0].Response.Location)
				}
				if !a.ok() {
					t.Errorf("rival %d: %d: %.300s", i, a.status, a.body)
				}
				places[place]++
			}
			if places[""] > 0 || len(places) != 1 {
				t.Errorf("the answers name %v", places)
			}
			c := newClient(bases[0])
			defer c.close()
			for _, kind := range []string{"Basic", "Observation"} {
				var b bundle
				c.must(t, http.StatusOK, http.MethodGet, kind+"?"+criteria(token), "").into(t, &b)
				if len(b.Entry) > 1 || kind == "Basic" && len(b.Entry) == 0 {
					t.Errorf("%d resources of type %s", len(b.Entry), kind)
				}
			}
		})
	}
}
