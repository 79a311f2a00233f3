package record

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

const (
	// leaseID is the document of the node that indexes, so that not all do.
	leaseID    = "lease"
	leaseTime  = time.Minute
	fieldBy    = "by"
	fieldUntil = "until"
	// backfillID is how far records have the entries of pending parameters.
	backfillID = "backfill"
	// reportEvery is how often the log tells of progress.
	reportEvery = 10 * time.Second
	// retryAfter is when an indexing that failed is tried again.
	retryAfter = 30 * time.Second
)

// Maintain keeps up with SearchParameter records until ctx ends: it notices those that
// other nodes wrote, gives all records the entries of new ones, and then says that they
// are ready. One node at a time does that; when it ends, another goes on where it was.
// A server runs it once. What fails is logged and tried again.
func (r *Repository) Maintain(ctx context.Context, log *slog.Logger) {
	m := maintenance{Repository: r, log: log, me: NewID()}
	for {
		wait := noticeEvery
		if err := m.round(ctx); err != nil && ctx.Err() == nil {
			log.Error("search parameters could not be kept up with", "cause", err)
			wait = retryAfter
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		case <-r.waker():
		}
	}
}

// waker gives the channel by which this node's own changes are told.
func (r *Repository) waker() chan struct{} {
	r.waking.Do(func() { r.stirred = make(chan struct{}, 1) })
	return r.stirred
}

// stir takes note of this node's own changes. Should that fail, it is done in the
// next round.
func (r *Repository) stir(ctx context.Context) {
	_, _ = r.notice(ctx, 0)
	select {
	case r.waker() <- struct{}{}:
	default: // told already
	}
}

// age is how old knowledge of the parameters may be for a commit.
func age(defining bool) time.Duration {
	if defining {
		return 0
	}
	return noticeEvery
}

// prepareParameters makes the documents that a commit counts on.
func (r *Repository) prepareParameters(ctx context.Context, defining bool) error {
	if r.NoText && !r.known().wordless {
		if err := r.insert(ctx, wordlessID); err != nil {
			return err
		}
		if _, err := r.renotice(ctx); err != nil {
			return err
		}
	}
	if defining {
		return r.insert(ctx, changesID)
	}
	return nil
}

// renotice reads everything again.
func (r *Repository) renotice(ctx context.Context) (*parameters, error) {
	r.noticing.Lock()
	if have := r.parameters.Load(); have != nil {
		stale := *have
		stale.read, stale.noticed = time.Time{}, time.Time{}
		r.parameters.Store(&stale)
	}
	r.noticing.Unlock()
	return r.notice(ctx, 0)
}

// worded notes that all records have the entries of words.
func (r *Repository) worded(ctx context.Context) error {
	err := r.Store.Apply(ctx, []store.Op{{Kind: store.Delete, Collection: parametersCollection, ID: store.String(wordlessID)}})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return fault("reindex", err)
	}
	return nil
}

// maintenance is Maintain on one node.
type maintenance struct {
	*Repository
	log  *slog.Logger
	me   string
	seen map[string]time.Time // when each pending parameter was noticed, by id and state
}

// round notices what there is, and indexes when that is called for and no other
// node does.
func (m *maintenance) round(ctx context.Context) error {
	ps, err := m.notice(ctx, 0)
	if err != nil {
		return err
	}
	pending := m.pending(ps)
	if len(pending) == 0 && (!ps.wordless || m.NoText) {
		return nil
	}
	ours, err := m.lease(ctx)
	if err != nil || !ours {
		return err
	}
	defer m.release(context.WithoutCancel(ctx))
	return m.backfill(ctx, ps, pending)
}

// pending are the parameters to index by: those that this process has known for long
// enough that every other does.
func (m *maintenance) pending(ps *parameters) []other {
	var all []other
	seen := make(map[string]time.Time)
	for _, o := range ps.others {
		if o.ready {
			continue
		}
		key := stateID(o.id) + o.state()
		if seen[key] = m.seen[key]; seen[key].IsZero() {
			seen[key] = time.Now()
		}
		if m.Settle == 0 || time.Since(seen[key]) > m.Settle+noticeEvery {
			all = append(all, o)
		}
	}
	m.seen = seen
	return all
}

// backfill gives all records the entries that they lack.
func (m *maintenance) backfill(ctx context.Context, ps *parameters, pending []other) error {
	began := time.Now()
	if err := m.barrier(ctx); err != nil {
		return err
	}
	types, err := m.kept(ctx)
	if err != nil {
		return err
	}
	words := ps.wordless && !m.NoText
	var names []string
	purpose := ""
	for _, o := range pending {
		names = append(names, o.param.Name)
		purpose += " " + o.state()
	}
	if words {
		names = append(names, paramText, paramContent)
		purpose += " words"
	} else {
		types = slices.DeleteFunc(types, func(t fhir.Type) bool {
			return !slices.ContainsFunc(pending, func(o other) bool { return slices.Contains(o.param.On(), t) })
		})
	}
	parameters := strings.Join(names, ", ")
	m.log.Info("indexing by search parameters", "parameters", parameters)
	run := reindexing{Repository: m.Repository, id: backfillID, extra: purpose, names: types}
	run.progress = m.pace(ctx, parameters)
	if err := run.all(ctx); err != nil {
		return err
	}
	if err := m.finish(ctx, pending, words); err != nil {
		return err
	}
	m.log.Info("search parameters are ready", "parameters", parameters, "records", run.done.Records, "changed", run.done.Changed,
		"seconds", int(time.Since(began).Seconds()))
	return run.forget(ctx)
}

// barrier waits until every write of this process makes the new entries.
func (m *maintenance) barrier(ctx context.Context) error {
	for since := m.now(); ; {
		until, err := m.settled(ctx, fhir.HistoryQuery{})
		if err != nil || !until.Before(since) {
			return err
		}
	}
}

// pace gives what is called after each batch: it lets others go first, keeps the
// lease, and tells how far the run is.
func (m *maintenance) pace(ctx context.Context, parameters string) func(Reindexed) {
	renewed, told := time.Now(), time.Now()
	return Gently(ctx, func(done Reindexed) {
		if time.Since(renewed) > leaseTime/4 {
			if ours, err := m.lease(ctx); err != nil || !ours {
				m.log.Warn("another node may be indexing, too", "cause", err)
			}
			renewed = time.Now()
		}
		if time.Since(told) > reportEvery {
			m.log.Info("indexing by search parameters", "parameters", parameters, "type", string(done.Type), "records", done.Records)
			told = time.Now()
		}
	})
}

// finish says that the parameters are ready, for just what they were when the run
// began, and clears away what was said of others.
func (m *maintenance) finish(ctx context.Context, pending []other, words bool) error {
	if err := m.insert(ctx, changesID); err != nil {
		return err
	}
	states, err := m.states(ctx)
	if err != nil {
		return err
	}
	ops := []store.Op{change()}
	for _, o := range pending {
		op := store.Op{Kind: store.Insert, Collection: parametersCollection, Doc: o.readyDoc()}
		if _, there := states[stateID(o.id)]; there {
			op.Kind, op.ID = store.Replace, store.String(stateID(o.id))
		}
		ops = append(ops, op)
	}
	ps, err := m.notice(ctx, 0)
	if err != nil {
		return err
	}
	for id := range states {
		gone := strings.HasPrefix(id, stateID("")) && !slices.ContainsFunc(ps.others, func(o other) bool { return stateID(o.id) == id }) &&
			!slices.ContainsFunc(pending, func(o other) bool { return stateID(o.id) == id })
		if gone {
			ops = append(ops, store.Op{Kind: store.Delete, Collection: parametersCollection, ID: store.String(id)})
		}
	}
	if err := m.Store.Apply(ctx, ops); err != nil {
		return fault("search parameters are ready", err)
	}
	if words {
		if err := m.worded(ctx); err != nil {
			return err
		}
	}
	_, err = m.renotice(ctx)
	return err
}

// lease reports whether this node is the one to index, for some time from now.
func (m *maintenance) lease(ctx context.Context) (bool, error) {
	now := time.Now()
	until := bson.E{Key: fieldUntil, Value: now.Add(leaseTime).UnixMilli()}
	q := store.Query{Collection: parametersCollection, Where: store.Eq{Path: fieldID, Value: store.String(leaseID)}, Limit: 1}
	for doc, err := range m.Store.Find(ctx, q) {
		if err != nil {
			return false, fault("lease", err)
		}
		by, _ := doc.Lookup(fieldBy).StringValueOK()
		end, _ := doc.Lookup(fieldUntil).AsInt64OK()
		if by != m.me && end > now.UnixMilli() {
			return false, nil
		}
		err := m.Store.Apply(ctx, []store.Op{{
			Kind: store.Update, Collection: parametersCollection, ID: store.String(leaseID),
			If:  store.And{store.Eq{Path: fieldBy, Value: store.String(by)}, store.Eq{Path: fieldUntil, Value: store.V(end)}},
			Set: []store.Field{{Path: fieldBy, Value: store.String(m.me)}, {Path: fieldUntil, Value: store.V(until.Value)}},
		}})
		if errors.Is(err, store.ErrConflict) {
			return false, nil
		}
		return err == nil, err
	}
	doc, err := bson.Marshal(bson.D{{Key: fieldID, Value: leaseID}, {Key: fieldBy, Value: m.me}, until})
	if err != nil {
		return false, err
	}
	err = m.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: parametersCollection, Doc: doc}})
	if errors.Is(err, store.ErrExists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("record: lease: %w", err)
	}
	return true, nil
}

// release lets others index at once. When it fails, the lease ends by itself.
func (m *maintenance) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, noticeEvery)
	defer cancel()
	err := m.Store.Apply(ctx, []store.Op{{
		Kind: store.Delete, Collection: parametersCollection, ID: store.String(leaseID),
		If: store.Eq{Path: fieldBy, Value: store.String(m.me)},
	}})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		m.log.Warn("the lease to index could not be given back", "cause", err)
	}
}
