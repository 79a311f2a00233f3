package memory

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/portico-fhir/portico/store"
)

// log holds the latest changes. Its tokens are their numbers, from 1.
type log struct {
	last    uint64 // number of the latest change
	events  []store.Event
	changed chan struct{} // closed when there is news; nil when nobody waits
}

// add appends one change. It keeps at least limit of them, and at most twice
// as many, so that forgetting costs little.
func (l *log) add(limit int, e store.Event) {
	if limit <= 0 {
		limit = 10_000
	}
	l.last++
	e.Token = binary.BigEndian.AppendUint64(nil, l.last)
	l.events = append(l.events, e)
	if len(l.events) > 2*limit {
		l.events = slices.Delete(l.events, 0, len(l.events)-limit)
	}
}

// announce wakes those who wait.
func (l *log) announce() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// wait gives a channel that is closed at the next announcement.
func (l *log) wait() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// after gives the changes after number n.
func (l *log) after(n uint64) ([]store.Event, error) {
	if n > l.last || l.last-n > uint64(len(l.events)) {
		return nil, store.ErrTokenLost
	}
	return slices.Clone(l.events[len(l.events)-int(l.last-n):]), nil
}

// Watch implements store.Watcher. Events carry the document as it was after
// the change.
func (s *Store) Watch(ctx context.Context, collections []string, after store.Token) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		at, err := s.start(collections, after)
		for {
			var news []store.Event
			var changed <-chan struct{}
			if err == nil {
				news, changed, err = s.news(ctx, at)
			}
			if err != nil {
				yield(store.Event{}, err)
				return
			}
			for _, e := range news {
				at++
				if slices.Contains(collections, e.Collection) && !yield(own(e), nil) {
					return
				}
			}
			select {
			case <-ctx.Done():
			case <-changed:
			}
		}
	}
}

// start gives the number of the change behind token.
func (s *Store) start(collections []string, token store.Token) (uint64, error) {
	if len(collections) == 0 {
		return 0, fmt.Errorf("%w: no collections to watch", store.ErrInvalid)
	}
	if token == nil {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.log.last, nil
	}
	if len(token) != 8 {
		return 0, store.ErrTokenLost
	}
	return binary.BigEndian.Uint64(token), nil
}

// news gives the changes after number n, and what to wait for next.
func (s *Store) news(ctx context.Context, n uint64) ([]store.Event, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx); err != nil {
		return nil, nil, err
	}
	events, err := s.log.after(n)
	return events, s.log.wait(), err
}

// own copies what the caller may change.
func own(e store.Event) store.Event {
	e.Token = slices.Clone(e.Token)
	e.Doc = slices.Clone(e.Doc)
	e.ID.Value = slices.Clone(e.ID.Value)
	return e
}
