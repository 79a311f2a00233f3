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

// take takes the oldest job that waits, or that a node has lost.
func (q *Queue) take(ctx context.Context) (j Job, found bool, err error) {
	lost := store.Or{store.Range{Path: fieldBeat, High: &store.Bound{Value: store.V(q.now().Add(-q.limits().Lease))}}}
	if q.Alone {
		lost = append(lost, store.Not{Filter: store.Eq{Path: fieldNode, Value: store.String(q.node)}})
	}
	query := store.Query{
		Collection: jobs,
		Where: store.Or{
			store.Eq{Path: fieldState, Value: store.String(string(Waiting))},
			store.And{store.Eq{Path: fieldState, Value: store.String(string(Running))}, lost},
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
		err = q.Store.Apply(ctx, []store.Op{{
			Kind: store.Update, Collection: jobs, ID: store.String(j.ID),
			Set: []store.Field{
				{Path: fieldState, Value: store.String(string(Running))},
				{Path: fieldBeat, Value: store.V(q.now())},
				{Path: fieldNode, Value: store.String(q.node)},
				{Path: fieldAttempts, Value: store.V(j.Attempt + 1)},
			},
			If: store.And{store.Eq{Path: fieldState, Value: store.String(string(j.State))}, store.Eq{Path: fieldBeat, Value: j.beat}},
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
	base, known := q.contexts[j.ID]
	if j.Known = known; !known {
		base = ctx
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
		q.giveBack(end, j, nil)
	case err != nil:
		q.giveBack(end, j, err)
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
	if err != nil {
		return Answer{}, err
	}
	if j.Attempt > MaxAttempts {
		return q.GiveUp(ctx, j), nil
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

// mine holds for a job that this node has.
func (q *Queue) mine() store.Filter {
	return store.And{store.Eq{Path: fieldState, Value: store.String(string(Running))}, store.Eq{Path: fieldNode, Value: store.String(q.node)}}
}

// giveBack lets the next who looks carry the job out.
func (q *Queue) giveBack(ctx context.Context, j Job, cause error) {
	err := q.Store.Apply(ctx, []store.Op{{
		Kind: store.Update, Collection: jobs, ID: store.String(j.ID), If: q.mine(),
		Set: []store.Field{{Path: fieldState, Value: store.String(string(Waiting))}, {Path: fieldAttempts, Value: store.V(j.Attempt)}},
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
