package job

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// Serve carries out jobs until ctx ends. It returns when those under way have been given back, for
// the next process to begin again.
func (q *Queue) Serve(ctx context.Context) error {
	if err := q.declare(ctx); err != nil {
		return err
	}
	var workers sync.WaitGroup
	workers.Go(func() { q.stay(ctx) })
	for range q.limits().Running {
		workers.Go(func() { q.work(ctx) })
	}
	workers.Wait()
	return nil
}

// work carries out one job after the other.
func (q *Queue) work(ctx context.Context) {
	look := time.NewTicker(q.limits().Lease / 3)
	defer look.Stop()
	for ctx.Err() == nil {
		j, found, err := q.take(ctx)
		switch {
		case err != nil && ctx.Err() == nil && q.Log != nil:
			q.Log.Warn("jobs cannot be read", "cause", err)
		case found:
			q.nudge() // there may be more
			q.carryOut(ctx, j)
			continue
		}
		select {
		case <-ctx.Done():
		case <-look.C:
		case <-q.wake:
		}
	}
}

// stay says every now and then that this node is there for the jobs that were submitted here.
func (q *Queue) stay(ctx context.Context) {
	tick := time.NewTicker(q.limits().Lease / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			q.hold(ctx)
		}
	}
}

// hold holds the jobs that were submitted here: the others leave them to this node, the only one
// that knows who submitted them. What is done, or another's by now, is forgotten.
func (q *Queue) hold(ctx context.Context) {
	q.mu.Lock()
	var held []string
	for id, s := range q.here {
		if s.kept {
			held = append(held, id)
		}
	}
	q.mu.Unlock()
	for _, id := range held {
		err := q.Store.Apply(ctx, []store.Op{{
			Kind: store.Update, Collection: jobs, ID: store.String(id), If: store.And{unfinished(), q.ours()},
			Set: []store.Field{{Path: fieldBeat, Value: store.V(q.now())}},
		}})
		if errors.Is(err, store.ErrConflict) {
			q.forget(id)
		}
	}
}

// take takes the oldest job that waits for this node or for any, or that a node has lost.
func (q *Queue) take(ctx context.Context) (j Job, found bool, err error) {
	lost := store.Or{store.Range{Path: fieldBeat, High: &store.Bound{Value: store.V(q.now().Add(-q.limits().Lease))}}}
	if q.Alone {
		lost = append(lost, store.Not{Filter: q.ours()})
	}
	query := store.Query{
		Collection: jobs,
		Where: store.Or{
			store.And{state(Waiting), store.In{Path: fieldNode, Values: []store.Value{store.String(q.node), store.String(nobody)}}},
			store.And{unfinished(), lost},
		},
		Order: []store.Key{{Path: fieldTime}},
		Limit: 10,
	}
	for doc, err := range q.Store.Find(ctx, query) {
		if err == nil {
			j, err = decode(doc)
		}
		if err != nil {
			return j, false, commit.Fault("read jobs", err)
		}
		as := store.And{state(j.State), store.Eq{Path: fieldBeat, Value: j.beat}} // nobody took it, or came back to it
		if j.State == Waiting && j.node == q.node {
			as = store.And{state(Waiting), q.ours()}
		}
		err = q.Store.Apply(ctx, []store.Op{{
			Kind: store.Update, Collection: jobs, ID: store.String(j.ID), If: as,
			Set: []store.Field{
				{Path: fieldState, Value: store.String(string(Running))},
				{Path: fieldBeat, Value: store.V(q.now())},
				{Path: fieldNode, Value: store.String(q.node)},
				{Path: fieldAttempts, Value: store.V(j.Attempt + 1)},
			},
		}})
		switch {
		case err == nil:
			j.Attempt++
			return j, true, nil
		case !errors.Is(err, store.ErrConflict):
			return j, false, commit.Fault("take a job", err)
		}
	}
	return j, false, nil
}

// carryOut carries out a job that this node has taken.
func (q *Queue) carryOut(ctx context.Context, j Job) {
	q.mu.Lock()
	base := ctx
	if mine, known := q.here[j.ID]; known {
		base, j.Known = mine.ctx, true
	}
	run, stop := context.WithTimeout(base, q.limits().Timeout)
	q.running[j.ID] = stop
	q.mu.Unlock()
	defer context.AfterFunc(ctx, stop)()
	var beating sync.WaitGroup
	progress := &progress{}
	beating.Go(func() { q.beat(run, stop, j.ID, progress) })

	answer, err := q.answer(run, j, progress)
	gone := run.Err() != nil && !errors.Is(run.Err(), context.DeadlineExceeded)
	stop()
	beating.Wait()
	q.mu.Lock()
	delete(q.running, j.ID)
	q.mu.Unlock()
	end := context.WithoutCancel(ctx)
	switch {
	case gone && ctx.Err() == nil: // cancelled, or another node has it
	case gone:
		j.Attempt-- // it is not to blame
		q.giveBack(end, j, nobody, nil)
	case err != nil:
		q.giveBack(end, j, q.node, err)
	default:
		q.finish(end, j, answer)
	}
}

// answer finds out what becomes of a job.
func (q *Queue) answer(ctx context.Context, j Job, p *progress) (Answer, error) {
	if j.in > 1 {
		j.Request.Body = make([]byte, 0, j.in*partSize)
	}
	err := q.read(ctx, j.ID, "in", j.in, func(part []byte) error {
		j.Request.Body = append(j.Request.Body, part...)
		return nil
	})
	switch {
	case j.Attempt > MaxAttempts:
		if err != nil {
			j.Request.Body = nil // which is what it may have been broken off for
		}
		return q.GiveUp(ctx, j), nil
	case err != nil:
		return Answer{}, err
	}
	return q.Run(ctx, j, p.set), nil
}

// progress is what a job last said.
type progress struct {
	mu   sync.Mutex
	text string
}

func (p *progress) set(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

// beat says every now and then that the job is being carried out, and stops it when it is no longer
// this node's.
func (q *Queue) beat(ctx context.Context, stop context.CancelFunc, id string, p *progress) {
	tick := time.NewTicker(q.limits().Lease / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.mu.Lock()
		text := p.text
		p.mu.Unlock()
		err := q.Store.Apply(ctx, []store.Op{{
			Kind: store.Update, Collection: jobs, ID: store.String(id), If: q.mine(),
			Set: []store.Field{{Path: fieldBeat, Value: store.V(q.now())}, {Path: fieldProgress, Value: store.String(text)}},
		}})
		if errors.Is(err, store.ErrConflict) {
			stop()
		}
	}
}

// nobody is the node of a job that waits for whichever looks first.
const nobody = ""

func state(s State) store.Filter { return store.Eq{Path: fieldState, Value: store.String(string(s))} }

// ours holds for the jobs that this node carries out, or is to.
func (q *Queue) ours() store.Filter { return store.Eq{Path: fieldNode, Value: store.String(q.node)} }

// mine holds for a job that this node carries out.
func (q *Queue) mine() store.Filter { return store.And{state(Running), q.ours()} }

// giveBack lets a node carry the job out anew.
func (q *Queue) giveBack(ctx context.Context, j Job, to string, cause error) {
	err := q.Store.Apply(ctx, []store.Op{{
		Kind: store.Update, Collection: jobs, ID: store.String(j.ID), If: q.mine(),
		Set: []store.Field{
			{Path: fieldState, Value: store.String(string(Waiting))},
			{Path: fieldNode, Value: store.String(to)},
			{Path: fieldAttempts, Value: store.V(j.Attempt)},
		},
	}})
	if q.Log != nil {
		q.Log.Warn("a job was broken off", "job", j.ID, "attempt", j.Attempt, "cause", errors.Join(cause, err))
	}
}

// finish keeps the answer.
func (q *Queue) finish(ctx context.Context, j Job, a Answer) {
	n, err := q.keep(ctx, j.ID, "out", a.Body)
	if err == nil {
		err = q.Store.Apply(ctx, []store.Op{{
			Kind: store.Update, Collection: jobs, ID: store.String(j.ID), If: q.mine(),
			Set: []store.Field{
				{Path: fieldState, Value: store.String(string(Done))},
				{Path: fieldOut, Value: store.V(n)},
				{Path: fieldStatus, Value: store.V(a.Status)},
				{Path: fieldSize, Value: store.V(int64(len(a.Body)))},
			},
		}})
	}
	q.forget(j.ID)
	switch {
	case errors.Is(err, store.ErrConflict): // cancelled meanwhile, or overtaken by another attempt, whose answer has the same place
		if _, found, err := q.find(ctx, j.ID); err == nil && !found {
			q.drop(ctx, j.ID, "out", n)
		}
	case err != nil && q.Log != nil:
		q.Log.Warn("the answer of a job cannot be kept", "job", j.ID, "cause", err)
	default:
		q.drop(ctx, j.ID, "in", j.in)
	}
}
