package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// partSize is how much of a body is in one document.
const partSize = 4 << 20

// Queue keeps jobs in a store and carries them out. Store, NewID and Run are required. All
// fields are set before the first call; it is safe for concurrent use, also by several processes on
// one store.
type Queue struct {
	Store store.Store
	// NewID makes the ids of jobs, which must be unguessable.
	NewID func() string
	// Run carries out a job. It tells by progress how far it is. When ctx ends the job was
	// cancelled, or the process is about to end; what it returns is then dropped.
	Run func(ctx context.Context, j Job, progress func(string)) Answer
	// GiveUp is the answer to a job that was begun MaxAttempts times and broken off each time.
	GiveUp func(ctx context.Context, j Job) Answer
	// Alone says that no other process works on the store: what another one was carrying out
	// was broken off when that ended.
	Alone  bool
	Limits Limits
	Log    *slog.Logger     // nil: nothing is logged
	Now    func() time.Time // nil: time.Now

	mu       sync.Mutex
	declared bool
	here     map[string]submitted          // the jobs that were submitted here and are not done
	running  map[string]context.CancelFunc // of the jobs that are carried out here
	wake     chan struct{}
	node     string
}

// submitted is what only the process that took a job knows of it.
type submitted struct {
	ctx  context.Context // has the values that it was submitted with
	kept bool            // it is in the store
}

// Limits bound jobs. The zero value of a field means its default.
type Limits struct {
	Running int           // jobs that this process carries out at a time; default 2
	Waiting int           // jobs that wait or run, of all callers; default 64
	Kept    int           // jobs of one caller, with those whose answer is kept; default 20
	Keep    time.Duration // how long a job and its answer are kept; default 24 h
	Timeout time.Duration // for one job; default 1 h
	Lease   time.Duration // after which a node that is silent has lost its jobs; default 30 s
}

// MaxAttempts is how often a job is begun.
const MaxAttempts = 3

func (q *Queue) limits() Limits {
	l := q.Limits
	for _, d := range []struct {
		v *int
		d int
	}{{&l.Running, 2}, {&l.Waiting, 64}, {&l.Kept, 20}} {
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{{&l.Keep, 24 * time.Hour}, {&l.Timeout, time.Hour}, {&l.Lease, 30 * time.Second}} {
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	return l
}

// Submit keeps a job of a caller and gives its id. When it returns, the job is durable.
// CodeThrottled when there are too many. The values of ctx are those that Run gets, as long as
// this process carries out the job.
func (q *Queue) Submit(ctx context.Context, caller string, r Request) (id string, err error) {
	if err := q.declare(ctx); err != nil {
		return "", err
	}
	if err := q.admit(ctx, caller); err != nil {
		return "", err
	}
	id = q.NewID()
	n, err := q.keep(ctx, id, "in", r.Body)
	if err != nil {
		return "", err
	}
	doc, err := bson.Marshal(document{ID: id, Caller: caller, State: Waiting, Time: q.now(), Beat: q.now(), Node: q.node, Request: r, In: n})
	if err != nil {
		return "", fmt.Errorf("job: %w", err)
	}
	mine := submitted{ctx: context.WithoutCancel(ctx)}
	q.know(id, mine)
	if err := q.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: jobs, Doc: doc}}); err != nil {
		q.forget(id)
		return "", commit.Fault("keep a job", err)
	}
	mine.kept = true
	q.know(id, mine)
	q.nudge()
	return id, nil
}

// admit refuses what would be too much.
func (q *Queue) admit(ctx context.Context, caller string) error {
	l := q.limits()
	n, err := q.Store.Count(ctx, store.Query{Collection: jobs, Where: unfinished(), Limit: l.Waiting})
	if err == nil && n >= int64(l.Waiting) {
		return fhir.Errorf(fhir.CodeThrottled, "http.Prefer", "%d requests are waiting to be carried out already. Try again later.", l.Waiting)
	}
	if err == nil {
		n, err = q.Store.Count(ctx, store.Query{Collection: jobs, Where: store.Eq{Path: fieldCaller, Value: store.String(caller)}, Limit: l.Kept})
	}
	switch {
	case err != nil:
		return commit.Fault("count jobs", err)
	case n >= int64(l.Kept):
		return fhir.Errorf(fhir.CodeThrottled, "http.Prefer", "There are %d jobs of yours already. Fetch what they answer and DELETE them.", l.Kept)
	}
	return nil
}

// unfinished holds for jobs that wait or run.
func unfinished() store.Filter {
	return store.In{Path: fieldState, Values: []store.Value{store.String(string(Waiting)), store.String(string(Running))}}
}

// Find gives a job of a caller, without bodies. CodeNotFound.
func (q *Queue) Find(ctx context.Context, caller, id string) (Job, error) {
	j, found, err := q.find(ctx, id)
	switch {
	case err != nil:
		return j, err
	case !found, j.Caller != caller, q.now().Sub(j.Created) > q.limits().Keep:
		return Job{}, missing()
	}
	return j, nil
}

func (q *Queue) find(ctx context.Context, id string) (j Job, found bool, err error) {
	for doc, err := range q.Store.Find(ctx, store.Query{Collection: jobs, Where: store.Eq{Path: fieldID, Value: store.String(id)}, Limit: 1}) {
		if err == nil {
			j, err = decode(doc)
		}
		if err != nil {
			return j, false, commit.Fault("read a job", err)
		}
		return j, true, nil
	}
	return j, false, nil
}

// Answer gives the body of the answer of a job that is done, part by part.
func (q *Queue) Answer(ctx context.Context, j Job, each func(part []byte) error) error {
	return q.read(ctx, j.ID, "out", j.out, each)
}

// Cancel removes a job of a caller with all that belongs to it. One that is carried out is
// broken off, if it is not too late. CodeNotFound.
func (q *Queue) Cancel(ctx context.Context, caller, id string) error {
	j, err := q.Find(ctx, caller, id)
	if err != nil {
		return err
	}
	err = q.Store.Apply(ctx, []store.Op{{Kind: store.Delete, Collection: jobs, ID: store.String(id)}})
	switch {
	case errors.Is(err, store.ErrConflict):
		return missing()
	case err != nil:
		return commit.Fault("cancel a job", err)
	}
	q.mu.Lock()
	if stop := q.running[id]; stop != nil {
		stop()
	}
	q.mu.Unlock()
	q.forget(id)
	q.drop(ctx, id, "in", j.in)
	q.drop(ctx, id, "out", j.out)
	return nil
}

func (q *Queue) know(id string, s submitted) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.here[id] = s
}

func (q *Queue) forget(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.here, id)
}

// declare sees to it that jobs expire, and makes ready.
func (q *Queue) declare(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.declared {
		return nil
	}
	keep := q.limits().Keep
	err := q.Store.Ensure(ctx, []store.Index{
		{Collection: jobs, Name: "expiry", Keys: []store.Key{{Path: fieldTime}}, ExpireAfter: keep},
		{Collection: jobs, Name: "state", Keys: []store.Key{{Path: fieldState}, {Path: fieldTime}}},
		{Collection: jobs, Name: "caller", Keys: []store.Key{{Path: fieldCaller}}},
		// Parts are older than their job, and needed until it is gone.
		{Collection: parts, Name: "expiry", Keys: []store.Key{{Path: fieldTime}}, ExpireAfter: keep + time.Hour},
	})
	if err != nil {
		return commit.Fault("declare indexes", err)
	}
	q.here = make(map[string]submitted)
	q.running = make(map[string]context.CancelFunc)
	q.wake = make(chan struct{}, 1)
	q.node = q.NewID()
	q.declared = true
	return nil
}

func (q *Queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) now() time.Time { return store.Now(q.Now) }
