package live

import (
	"context"
	"errors"
	"time"

	"github.com/portico-fhir/portico/store"
)

// beatEvery is how often the feed writes to its own place. The change is in the stream that it
// watches: so it has a place before the EHR writes anything, and one that the store
// still remembers after a long time without writes.
const beatEvery = time.Minute

// watch follows the store's stream of changes.
func (f *Feed) watch(ctx context.Context, w store.Watcher, tell func(context.Context, []Change) error) error {
	for {
		p, err := f.load(ctx)
		if err != nil {
			return err
		}
		if err = f.follow(ctx, w, p, tell); !errors.Is(err, store.ErrTokenLost) {
			return err
		}
		if f.Lost != nil {
			if err := f.Lost(ctx); err != nil {
				return err
			}
		}
		if err := f.save(ctx, store.Field{Path: "token", Value: store.V([]byte{})}); err != nil {
			return err
		}
	}
}

func (f *Feed) follow(ctx context.Context, w store.Watcher, p place, tell func(context.Context, []Change) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- f.beats(ctx, p.Beat) }()
	defer func() { stop(); <-failed }()
	var after store.Token
	if len(p.Token) > 0 {
		after = p.Token
	}
	for e, err := range w.Watch(ctx, append(f.collections(), collection), after) {
		if err != nil {
			return wrap(err)
		}
		if e.Collection != collection {
			changes, err := f.changes(e)
			if err != nil {
				return err
			}
			if len(changes) > 0 {
				if err := tell(ctx, changes); err != nil {
					return err
				}
			}
		} else if !f.isBeat(e) {
			continue // what it keeps of its place, or another feed
		}
		if err := f.save(ctx, store.Field{Path: "token", Value: store.V([]byte(e.Token))}); err != nil {
			return err
		}
		p.Token = e.Token
	}
	return wrap(ctx.Err())
}

// isBeat tells the feed's own beats from the places that it, and others, keep. Beats have
// documents of their own.
func (f *Feed) isBeat(e store.Event) bool { return e.ID.Equal(store.String(f.beatID())) }

func (f *Feed) beatID() string { return f.Name + "/beat" }

// beats writes now and then. It begins at once, and tries again until the watch that it
// is for must have begun.
func (f *Feed) beats(ctx context.Context, n int64) error {
	other := &Feed{Store: f.Store, Name: f.beatID()}
	for wait := 20 * time.Millisecond; ; wait = min(4*wait, beatEvery) {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		n++
		if err := other.save(ctx, store.Field{Path: "beat", Value: store.V(n)}); err != nil && ctx.Err() != nil {
			return nil
		}
	}
}
