package promises

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/internal/patience"
)

// TestKilledWithWorkAccepted kills the server when it has accepted transactions that
// nobody waits for. Each is carried out all the same, once, and what became of it can be
// asked for.
func TestKilledWithWorkAccepted(t *testing.T) {
	t.Parallel()
	const jobs, entries = 6, 40
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	flags := onSQLite(t)
	t.Run("G4.1 P1 P2 P5 what was accepted is carried out once", func(t *testing.T) {
		for round := range rounds {
			s := program.Start(t, binary, flags...)
			c := newClient(s.Base)
			accepted := map[string]string{} // where to ask, by token
			for n := range jobs {
				token := fmt.Sprintf("job-%d-%d", round, n)
				var list []string
				for range entries {
					list = append(list, entry(http.MethodPost, "Basic", content("Basic", "", token)))
				}
				a := c.must(t, http.StatusAccepted, http.MethodPost, "", transaction(list...), "Prefer", "respond-async")
				_, accepted[token], _ = strings.Cut(a.header.Get("Content-Location"), "/fhir/")
			}
			time.Sleep(rand.N(60 * time.Millisecond))
			s.Kill(t)
			c.close()
			s = program.Start(t, binary, flags...)
			c = newClient(s.Base)
			for token, place := range accepted {
				carriedOut(t, c, token, place, entries)
			}
			c.close()
			s.Stop(t)
		}
	})
}

// carriedOut waits until the transaction that was accepted under token is done, and
// wants it to have made its resources.
func carriedOut(t *testing.T, c *client, token, place string, entries int) {
	t.Helper()
	var a answer
	var err error
	patience.Until(func() bool {
		a, err = c.send(t.Context(), http.MethodGet, place, "")
		return err != nil || a.status != http.StatusAccepted
	})
	var done struct{ Entry []struct{ Resource bundle } }
	if err != nil || a.status != http.StatusOK || json.Unmarshal(a.body, &done) != nil || len(done.Entry) != 1 {
		t.Fatalf("%s: %v %d: %.300s", token, err, a.status, a.body)
	}
	if got := len(done.Entry[0].Resource.Entry); got != entries {
		t.Errorf("%s: %d answers to %d entries: %.300s", token, got, entries, a.body)
	}
	c.must(t, http.StatusAccepted, http.MethodDelete, place, "")
	var found bundle
	c.must(t, http.StatusOK, http.MethodGet, "Basic?_summary=count&identifier="+system+"|"+token, "").into(t, &found)
	if found.Total == nil || *found.Total != entries {
		t.Errorf("%s did not make %d resources", token, entries)
	}
}
