package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/portico-fhir/portico/store"
)

// sweeper removes documents whose time is up, in the background.
type sweeper struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func startSweeper(s *Store) *sweeper {
	ctx, cancel := context.WithCancel(context.Background())
	w := &sweeper{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		tick := time.NewTicker(s.opts.Sweep)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := s.sweep(ctx, s.opts.Now()); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrClosed) {
				s.opts.Log.Warn("expired documents could not be removed", "error", err)
			}
		}
	}()
	return w
}

// stop waits until the sweeper has ended.
func (w *sweeper) stop() {
	w.cancel()
	<-w.done
}

// sweepDocs is how many documents are removed at a time, so that other writes
// get their turn.
const sweepDocs = 200

// sweep removes what has expired by that time.
func (s *Store) sweep(ctx context.Context, now time.Time) error {
	for _, coll := range s.catalog.Load().collections {
		for _, ix := range coll.indexes {
			if ix.def.ExpireAfter <= 0 {
				continue
			}
			if err := s.expire(ctx, ix.def, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) expire(ctx context.Context, ix store.Index, now time.Time) error {
	limit := now.Add(-ix.ExpireAfter)
	due := store.Range{Path: ix.Keys[0].Path, High: &store.Bound{Value: store.V(limit), Inclusive: true}}
	for {
		var ops []store.Op
		q := store.Query{Collection: ix.Collection, Where: due, Limit: sweepDocs, Fields: []string{}}
		for doc, err := range s.Find(ctx, q) {
			if err != nil {
				return err
			}
			ops = append(ops, store.Op{Kind: store.Delete, Collection: ix.Collection, ID: store.ID(doc), If: due})
		}
		if len(ops) == 0 {
			return nil
		}
		if err := s.removeEach(ctx, ops); err != nil {
			return err
		}
	}
}

// removeEach removes the documents together, or one by one when some have been
// renewed or removed meanwhile.
func (s *Store) removeEach(ctx context.Context, ops []store.Op) error {
	err := s.Apply(ctx, ops)
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	for i := range ops {
		if err := s.Apply(ctx, ops[i:i+1]); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}
