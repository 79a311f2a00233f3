package record_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// faulty is a store whose Apply can be replaced, but for the list of types.
type faulty struct {
	store.Store
	apply func(ctx context.Context, ops []store.Op) error
}

func (s *faulty) Apply(ctx context.Context, ops []store.Op) error {
	if ops[0].Collection == "portico_types" {
		return s.Store.Apply(ctx, ops)
	}
	return s.apply(ctx, ops)
}

func TestFaultsOfTheStoreTellTheClientWhatToDo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault error
		want  fhir.IssueCode
	}{
		{fmt.Errorf("disk: %w", store.ErrUnavailable), fhir.CodeTransient},
		{&store.OpError{Err: store.ErrTooLarge}, fhir.CodeTooLong},
		{&store.OpError{Err: store.ErrConflict}, fhir.CodeTransient}, // again and again
		{store.ErrConflict, fhir.CodeTransient},
	} {
		s := &faulty{Store: memory.New(), apply: func(context.Context, []store.Op) error { return tt.fault }}
		r := &record.Repository{Store: s}
		_, err := r.Commit(t.Context(), []fhir.Change{put("a", "x")})
		wantCode(t, tt.fault.Error(), err, tt.want)
	}
	for _, fault := range []error{store.ErrCorrupt, store.ErrClosed, context.Canceled, errors.New("other")} {
		s := &faulty{Store: memory.New(), apply: func(context.Context, []store.Op) error { return fault }}
		r := &record.Repository{Store: s}
		_, err := r.Commit(t.Context(), []fhir.Change{put("a", "x")})
		var e *fhir.Error
		if !errors.Is(err, fault) || errors.As(err, &e) {
			t.Errorf("%v became %v, want it wrapped and not for the client", fault, err)
		}
	}
}

func TestACommitThatKeepsLosingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	attempts := 0
	s := &faulty{Store: memory.New(), apply: func(context.Context, []store.Op) error {
		if attempts++; attempts == 3 {
			cancel()
		}
		return store.ErrConflict
	}}
	r := &record.Repository{Store: s}
	_, err := r.Commit(ctx, []fhir.Change{put("a", "x")})
	if !errors.Is(err, context.Canceled) || attempts != 3 {
		t.Errorf("%v after %d attempts", err, attempts)
	}
}

// A store without transactions may stop behind any op. What was there before
// must stay readable, and the next write must go through.
func TestAStoreThatStopsHalfwayLosesNoVersion(t *testing.T) {
	t.Parallel()
	crash := errors.New("crash")
	mem := memory.New()
	var stop atomic.Bool
	s := &faulty{Store: mem, apply: func(ctx context.Context, ops []store.Op) error {
		for i, op := range ops {
			if stop.Load() && i == 1 {
				return crash
			}
			if err := mem.Apply(ctx, []store.Op{op}); err != nil {
				var oe *store.OpError
				if errors.As(err, &oe) {
					oe.Index = i
				}
				return err
			}
		}
		return nil
	}}
	r := &record.Repository{Store: s}
	commit(t, r, put("a", "one"), put("b", "one"))
	commit(t, r, put("a", "two"))

	stop.Store(true)
	if _, err := r.Commit(t.Context(), []fhir.Change{put("a", "three")}); !errors.Is(err, crash) {
		t.Fatal(err)
	}
	stop.Store(false)
	all, total := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 2})
	if got := texts(t, all); got != "2:two 1:one" || total != 2 {
		t.Errorf("behind the crash the history is %s of %d", got, total)
	}
	res := commit(t, r, put("b", "two"), put("a", "three again"))
	if res[1].Resource.Version != "3" {
		t.Errorf("%+v", res[1])
	}
	commit(t, r, remove("a"))
	all, _ = history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 2})
	if got := texts(t, all); got != "4:deleted 3:three again 2:two 1:one" {
		t.Error(got)
	}

	// Many writers find a version that was moved already: each still makes one.
	stop.Store(true)
	if _, err := r.Commit(t.Context(), []fhir.Change{put("b", "lost")}); !errors.Is(err, crash) {
		t.Fatal(err)
	}
	stop.Store(false)
	_, errs := parallel(t, r, writers, func(i int) fhir.Change { return put("b", fmt.Sprint("writer ", i)) })
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if all, _ := history(t, r, fhir.HistoryQuery{Key: basic("b"), Count: 50}); len(all) != writers+2 {
		t.Errorf("%d versions after 2 and %d writes", len(all), writers)
	}
}

func TestTheLayoutIsMarkedAndChecked(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		for range 2 {
			if err := record.CheckFormat(t.Context(), r.Store); err != nil {
				t.Fatal(err)
			}
		}
		set := func(v store.Value) {
			t.Helper()
			err := r.Store.Apply(t.Context(), []store.Op{{Kind: store.Update, Collection: "portico_formats", ID: store.String("records"), Set: []store.Field{{Path: "format", Value: v}}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range []any{1, 3, 5, "4", nil} {
			set(store.V(v))
			if err := record.CheckFormat(t.Context(), r.Store); err == nil {
				t.Errorf("the layout %v is taken", v)
			}
		}
	})
}

func TestADamagedDocumentIsCorrupt(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		commit(t, r, put("a", "one"))
		for _, damage := range []store.Op{
			{Set: []store.Field{{Path: "v", Value: store.V("3")}}},
			{Set: []store.Field{{Path: "v", Value: store.V(3)}, {Path: "ts", Value: store.V("now")}}},
			{Unset: []string{"ts"}},
			{Unset: []string{"body"}},
			{Set: []store.Field{{Path: "body", Value: store.V("{}")}}},
			{Set: []store.Field{{Path: "body", Value: store.V(bson.Binary{Subtype: 0x80, Data: []byte("not packed")})}}},
			{Set: []store.Field{{Path: "body", Value: store.V(bson.Binary{Subtype: 0x80, Data: []byte{0xff, 0xff, 0xff, 0xff, 0x0f}})}}},
			{Set: []store.Field{{Path: "body", Value: store.V(bson.Binary{Subtype: 0x81, Data: []byte("{}")})}}},
		} {
			damage.Kind, damage.Collection, damage.ID = store.Update, "Basic", store.String("a")
			if err := r.Store.Apply(t.Context(), []store.Op{damage}); err != nil {
				t.Fatal(err)
			}
			_, err := r.Read(t.Context(), basic("a"))
			_, err2 := r.Search(t.Context(), &fhir.Query{Type: "Basic", Count: 1})
			_, err3 := r.Commit(t.Context(), []fhir.Change{put("a", "two")})
			if !errors.Is(err, store.ErrCorrupt) || !errors.Is(err2, store.ErrCorrupt) || !errors.Is(err3, store.ErrCorrupt) {
				t.Errorf("after %+v: %v; %v; %v", damage, err, err2, err3)
			}
		}
	})
}
