package promises

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// appointment is one that lives in the EHR. Its comment has a place there, its
// description has none and is kept beside it.
func appointment(id, token string) string {
	if id != "" {
		id = fmt.Sprintf(`"id":%q,`, id)
	}
	return fmt.Sprintf(`{"resourceType":"Appointment",%s"status":"proposed","start":"2030-12-01T10:00:00Z","end":"2030-12-01T10:20:00Z","comment":%q,"description":%[2]q,`+
		`"participant":[{"actor":{"reference":"Patient/somebody"},"status":"accepted"}]}`, id, token)
}

// patron writes one appointment, and a record beside it, by transactions.
type patron struct {
	number       int
	id           string
	sent, stored atomic.Int64 // numbers of the last write that was sent, and acknowledged
}

func (p *patron) record() string { return fmt.Sprint("Basic/beside-", p.number) }

// TestKilledWhileWritingToTheEHR kills the server under transactions of which each
// changes a document of the EHR, what is kept beside it, and a record. All three say the
// same whenever one looks.
func TestKilledWhileWritingToTheEHR(t *testing.T) {
	t.Parallel()
	chart := filepath.Join(t.TempDir(), "chart.yaml")
	if err := os.WriteFile(chart, clinic.ChartMap(), 0o600); err != nil {
		t.Fatal(err)
	}
	kills := 10
	if testing.Short() {
		kills = 2
	}
	for name, flags := range map[string]func(testing.TB) []string{"sqlite": onSQLite, "mongodb": onMongoDB} {
		t.Run("P1 P2 "+name, func(t *testing.T) {
			t.Parallel()
			flags := append(flags(t), "--chart", chart, "--allow-ddl")
			patrons := make([]*patron, 4)
			for kill := range kills {
				s := restarted(t, flags)
				for i := range patrons {
					if kill == 0 {
						patrons[i] = newPatron(t, s, i)
					}
					patrons[i].look(t, s)
				}
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				var working atomic.Int64
				before := acknowledged(patrons)
				for _, p := range patrons {
					working.Add(1)
					wg.Go(func() {
						defer working.Add(-1)
						p.work(ctx, t, s)
					})
				}
				if !patience.Until(func() bool { return acknowledged(patrons) > before || working.Load() == 0 }) {
					t.Error("no transaction is carried out")
				}
				time.Sleep(rand.N(200 * time.Millisecond))
				s.Kill(t)
				cancel()
				wg.Wait()
			}
			s := restarted(t, flags)
			for _, p := range patrons {
				p.look(t, s)
			}
			all := acknowledged(patrons)
			t.Logf("%d transactions acknowledged", all)
			if all < int64(kills) {
				t.Error("that shows nothing")
			}
		})
	}
}

// acknowledged counts the transactions that were.
func acknowledged(patrons []*patron) (n int64) {
	for _, p := range patrons {
		n += p.stored.Load()
	}
	return n
}

func newPatron(t *testing.T, s *program.Server, number int) *patron {
	t.Helper()
	c := newClient(s.Base)
	defer c.close()
	p := &patron{number: number}
	c.must(t, http.StatusCreated, http.MethodPut, p.record(), content("Basic", p.record()[len("Basic/"):], "0"))
	a := c.must(t, http.StatusCreated, http.MethodPost, "Appointment", appointment("", "0"))
	key, _ := made(a.header.Get("Location"))
	p.id = key[len("Appointment/"):]
	return p
}

// work writes until the server does not answer.
func (p *patron) work(ctx context.Context, t *testing.T, s *program.Server) {
	c := newClient(s.Base)
	defer c.close()
	for ctx.Err() == nil {
		n := p.sent.Add(1)
		text := fmt.Sprint(n)
		a, err := c.send(ctx, http.MethodPost, "", transaction(
			entry(http.MethodPut, "Appointment/"+p.id, appointment(p.id, text)),
			entry(http.MethodPut, p.record(), content("Basic", p.record()[len("Basic/"):], text))))
		switch {
		case err != nil || a.later():
			return
		case !a.ok():
			t.Errorf("%d: %.300s", a.status, a.body)
			return
		}
		p.stored.Store(n)
	}
}

// look reads what there is.
func (p *patron) look(t *testing.T, s *program.Server) {
	t.Helper()
	c := newClient(s.Base)
	defer c.close()
	var got struct{ Comment, Description string }
	var beside basic
	c.must(t, http.StatusOK, http.MethodGet, "Appointment/"+p.id, "").into(t, &got)
	c.must(t, http.StatusOK, http.MethodGet, p.record(), "").into(t, &beside)
	var n int64
	if _, err := fmt.Sscan(got.Comment, &n); err != nil || n < p.stored.Load() || n > p.sent.Load() {
		t.Errorf("P1 write %d was acknowledged, and %q is there", p.stored.Load(), got.Comment)
	}
	if got.Description != got.Comment || beside.Code.Text != got.Comment {
		t.Errorf("P2 the EHR says %q, beside it stand %q and the record %q", got.Comment, got.Description, beside.Code.Text)
	}
}
