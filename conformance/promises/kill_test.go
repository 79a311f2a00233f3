package promises

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
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

// killTime is how long the kills may take together, once there were a few.
const killTime = 35 * time.Second

func killed(t *testing.T, flags []string) {
	most := 30
	const few = 5
	if testing.Short() {
		most = few
	}
	l := newLedger(t)
	crew := make([]*writer, writers)
	for i := range crew {
		crew[i] = &writer{number: i, ledger: l}
	}
	known, kills, began := 0, 0, time.Now()
	for kills < few || kills < most && time.Since(began) < killTime || known < 5*kills && time.Since(began) < patience.Limit {
		if kills%5 == 4 {
			s := program.Begin(t, binary, flags...)
			time.Sleep(rand.N(80 * time.Millisecond))
			s.Kill(t)
			kills++
		}
		s := restarted(t, flags)
		if kills > 0 {
			known = look(t, s, l, known, kills%6 == 0)
		}
		killWhileWriting(t, s, l, crew)
		kills++
	}
	s := restarted(t, flags)
	known = look(t, s, l, known, true)
	s.Stop(t)
	t.Logf("%d kills, %d versions acknowledged, %d writes attempted, %v", kills, known, len(l.attempts), time.Since(began).Round(time.Second))
	if known < 5*kills {
		t.Errorf("only %d versions were acknowledged, with %d kills: the test shows nothing", known, kills)
	}
}

// restarted starts the server as a supervisor does: again when it ends. The MongoDB that
// tests start holds on to the transaction of a client that was killed, now and then for
// longer than that; the test is then over.
func restarted(t *testing.T, flags []string) *program.Server {
	for range 3 {
		if s := program.Begin(t, binary, flags...); s.AwaitReady() {
			return s
		}
	}
	if at := slices.IndexFunc(flags, func(f string) bool { return strings.HasPrefix(f, "mongodb://") }); at >= 0 && !mongotest.Real() && stuck(t, flags[at]) {
		t.Skip("the test MongoDB carries out no transaction any more")
	}
	return program.Start(t, binary, flags...)
}

// stuck reports whether a MongoDB carries out no transaction of any client.
func stuck(t *testing.T, uri string) bool {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	err = client.UseSession(ctx, func(ctx context.Context) error {
		_, err := mongo.SessionFromContext(ctx).WithTransaction(ctx, func(ctx context.Context) (any, error) {
			return client.Database("stuck").Collection("stuck").InsertOne(ctx, bson.D{})
		})
		return err
	})
	return err != nil
}

// killWhileWriting lets all write until some were answered and for a moment more, and
// kills the server under them.
func killWhileWriting(t *testing.T, s *program.Server, l *ledger, crew []*writer) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	end := writeSome(ctx, t, s, l, crew)
	time.Sleep(rand.N(300 * time.Millisecond))
	s.Kill(t)
	end()
}

// writeSome lets all write, and returns when some were answered, or nobody is any more. They go
// on until the server ends, which is what end waits for.
func writeSome(ctx context.Context, t *testing.T, s *program.Server, l *ledger, crew []*writer) (end func()) {
	t.Helper()
	var wg sync.WaitGroup
	var working atomic.Int64
	enough := l.answers.Load() + int64(len(crew))
	for _, w := range crew {
		working.Add(1)
		wg.Go(func() {
			defer working.Add(-1)
			c := newClient(s.Base)
			defer c.close()
			w.work(ctx, t, c)
		})
	}
	if !patience.Until(func() bool { return l.answers.Load() >= enough || working.Load() == 0 }) {
		t.Error("writes are not answered")
	}
	return wg.Wait
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
