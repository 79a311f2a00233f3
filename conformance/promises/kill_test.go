package promises

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/conformance/program"
)

// writers work side by side.
const writers = 8

// TestKilledAtAnyMoment kills the server under mixed load, some times while it still
// recovers from the last kill, and looks for everything that it acknowledged.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	t.Run("P1 P2 P4 P5 sqlite", func(t *testing.T) {
		t.Parallel()
		killed(t, onSQLite(t))
	})
	t.Run("P1 P2 P4 P5 mongodb", func(t *testing.T) {
		t.Parallel()
		killed(t, onMongoDB(t))
	})
}

// patience is how long the kills may take together.
const patience = 35 * time.Second

func killed(t *testing.T, flags []string) {
	most := 30
	if testing.Short() {
		most = 5
	}
	l := newLedger(t)
	crew := make([]*writer, writers)
	for i := range crew {
		crew[i] = &writer{number: i, ledger: l}
	}
	known, kills, began := 0, 0, time.Now()
	for kills < most && (time.Since(began) < patience || known == 0) {
		s := program.Begin(t, binary, flags...)
		if kills%5 == 4 {
			time.Sleep(rand.N(80 * time.Millisecond))
			s.Kill(t)
			s = program.Begin(t, binary, flags...)
			kills++
		}
		s.AwaitReady(t)
		if kills > 0 {
			known = look(t, s, l, known, kills%6 == 0)
		}
		killWhileWriting(t, s, crew)
		kills++
	}
	s := program.Start(t, binary, flags...)
	known = look(t, s, l, known, true)
	s.Stop(t)
	t.Logf("%d kills, %d versions acknowledged, %d writes attempted, %v", kills, known, len(l.attempts), time.Since(began).Round(time.Second))
	if known < 5*kills || kills < 5 {
		t.Errorf("only %d versions were acknowledged, with %d kills: the test shows nothing", known, kills)
	}
}

// killWhileWriting lets all write for a moment and kills the server under them.
func killWhileWriting(t *testing.T, s *program.Server, crew []*writer) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for _, w := range crew {
		c := newClient(s.Base)
		defer c.close()
		wg.Go(func() { w.work(ctx, t, c) })
	}
	time.Sleep(20*time.Millisecond + rand.N(400*time.Millisecond))
	s.Kill(t)
	wg.Wait()
}

// look compares what the server has with the ledger, of which the first known facts
// were looked at before: those behind them, or all and the searches. It gives the
// number of facts.
func look(t *testing.T, s *program.Server, l *ledger, known int, all bool) int {
	t.Helper()
	c := newClient(s.Base)
	defer c.close()
	facts := l.read(t)
	spot(t, c, facts[known:])
	if all {
		a := take(t, c)
		a.compare(t, l, facts)
		a.searched(t, c, l)
	}
	if t.Failed() {
		t.FailNow()
	}
	return len(facts)
}
