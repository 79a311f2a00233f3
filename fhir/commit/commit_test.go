package commit_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// counter is a Planner whose resources are documents that count their changes.
type counter struct {
	store   store.Store
	plans   int
	before  func() // called in each plan, behind what it reads
	refuses error  // what Failed says
	failed  []int
}

func (c *counter) Prepare(_ context.Context, changes []fhir.Change) (commit.Prepared, error) {
	return commit.Prepared{Store: c.store, Plan: func(ctx context.Context) (*commit.Plan, error) {
		c.plans++
		plan := &commit.Plan{Failed: func(op int, _ error) error {
			c.failed = append(c.failed, op)
			return c.refuses
		}}
		for _, ch := range changes {
			n := count(ctx, c.store, ch.Key)
			op := store.Op{Kind: store.Insert, Collection: string(ch.Key.Type), Doc: document(ch.Key.ID, n+1)}
			if n > 0 {
				op.Kind, op.ID, op.If = store.Replace, store.String(ch.Key.ID), store.Eq{Path: "n", Value: store.V(n)}
			}
			if string(ch.Body) != "same" {
				plan.Ops = append(plan.Ops, op)
			}
			plan.Results = append(plan.Results, fhir.Result{Status: fhir.Updated, Resource: fhir.Resource{Key: ch.Key, Version: strconv.FormatInt(n+1, 10)}})
		}
		if c.before != nil {
			c.before()
		}
		return plan, nil
	}}, nil
}

func document(id string, n int64) store.Doc {
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "n", Value: n}})
	if err != nil {
		panic(err)
	}
	return doc
}

// count reads how often something was changed.
func count(ctx context.Context, s store.Store, key fhir.Key) int64 {
	for doc, err := range s.Find(ctx, store.Query{Collection: string(key.Type), Where: store.Eq{Path: "_id", Value: store.String(key.ID)}}) {
		if err != nil {
			panic(err)
		}
		n, _ := doc.Lookup("n").Int64OK()
		return n
	}
	return 0
}

func change(typ fhir.Type, id string) fhir.Change {
	return fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: typ, ID: id}}
}

func versions(results []fhir.Result) []string {
	var out []string
	for _, r := range results {
		out = append(out, r.Resource.Key.String()+" "+r.Resource.Version)
	}
	return out
}

// insert puts a document beside a commit.
func insert(ctx context.Context, id string) context.Context {
	return commit.Beside(ctx, func(results []fhir.Result) ([]store.Op, error) {
		return []store.Op{{Kind: store.Insert, Collection: "receipts", Doc: document(id, int64(len(results)))}}, nil
	})
}

var receipt = fhir.Key{Type: "receipts", ID: "r"}

func TestSeveralPlannersMakeOneWrite(t *testing.T) {
	t.Parallel()
	st := memory.New()
	ehr, records := &counter{store: st}, &counter{store: st}
	of := func(typ fhir.Type) commit.Planner {
		if typ == "Patient" {
			return ehr
		}
		return records
	}
	changes := []fhir.Change{change("Flag", "a"), change("Patient", "b"), change("Flag", "c"), change("Patient", "d")}
	results, err := commit.Do(t.Context(), changes, of)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Flag/a 1", "Patient/b 1", "Flag/c 1", "Patient/d 1"}, versions(results)); diff != "" {
		t.Error(diff)
	}
	// Another changes Patient/d, which is the last op, behind the first plan.
	ehr.before = func() {
		ehr.before = nil
		if _, err := commit.Do(t.Context(), []fhir.Change{change("Patient", "d")}, func(fhir.Type) commit.Planner { return &counter{store: st} }); err != nil {
			t.Error(err)
		}
	}
	ehr.plans, records.plans = 0, 0
	results, err = commit.Do(t.Context(), changes, of)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Flag/a 2", "Patient/b 2", "Flag/c 2", "Patient/d 3"}, versions(results)); diff != "" {
		t.Error(diff)
	}
	if ehr.plans != 2 || records.plans != 2 || cmp.Diff([]int{1}, ehr.failed) != "" || records.failed != nil {
		t.Errorf("%d and %d plans; told %v and %v", ehr.plans, records.plans, ehr.failed, records.failed)
	}
}

func TestWhatIsMadeOfOtherChangesIsPlannedBehindThem(t *testing.T) {
	t.Parallel()
	st := memory.New()
	ehr, records := &counter{store: st}, &counter{store: st}
	var seen []string
	finishing := &seeing{records, func(ctx context.Context) { seen = versions(commit.Planned(ctx)) }}
	last := change("Provenance", "c")
	last.Finish = func([]fhir.Result) ([]byte, error) { return nil, nil }
	results, err := commit.Do(t.Context(), []fhir.Change{change("Flag", "a"), change("Patient", "b"), last}, func(typ fhir.Type) commit.Planner {
		if typ == "Patient" {
			return ehr
		}
		return finishing
	})
	if diff := cmp.Diff([]string{"Flag/a 1", "Patient/b 1", "Provenance/c 1"}, versions(results)); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if diff := cmp.Diff([]string{"Patient/b 1"}, seen); diff != "" {
		t.Errorf("known to the last are %s", diff)
	}
}

// seeing calls see in each plan of another.
type seeing struct {
	commit.Planner
	see func(context.Context)
}

func (s *seeing) Prepare(ctx context.Context, changes []fhir.Change) (commit.Prepared, error) {
	p, err := s.Planner.Prepare(ctx, changes)
	plan := p.Plan
	p.Plan = func(ctx context.Context) (*commit.Plan, error) {
		s.see(ctx)
		return plan(ctx)
	}
	return p, err
}

func TestARehearsalChecksAndWritesNothing(t *testing.T) {
	t.Parallel()
	st := memory.New()
	of := func(fhir.Type) commit.Planner { return &counter{store: st} }
	results, err := commit.Do(commit.Rehearse(insert(t.Context(), "r")), []fhir.Change{change("Flag", "a")}, of)
	if err != nil || cmp.Diff([]string{"Flag/a 1"}, versions(results)) != "" {
		t.Errorf("%v, %v", versions(results), err)
	}
	if count(t.Context(), st, fhir.Key{Type: "Flag", ID: "a"}) != 0 || count(t.Context(), st, receipt) != 0 {
		t.Error("something was written")
	}
	no := errors.New("no")
	ctx := commit.Beside(commit.Rehearse(t.Context()), func([]fhir.Result) ([]store.Op, error) { return nil, no })
	if _, err := commit.Do(ctx, []fhir.Change{change("Flag", "a")}, of); !errors.Is(err, no) {
		t.Errorf("what is beside it says no, and it gives %v", err)
	}
}

func TestAPlannerMayEndTheCommit(t *testing.T) {
	t.Parallel()
	st := memory.New()
	no := errors.New("no")
	p := &counter{store: st, refuses: no}
	p.before = func() {
		if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "Flag", Doc: document("b", 7)}}); err != nil {
			t.Error(err)
		}
	}
	_, err := commit.Do(t.Context(), []fhir.Change{change("Flag", "a"), change("Flag", "b")}, func(fhir.Type) commit.Planner { return p })
	if !errors.Is(err, no) || p.plans != 1 || count(t.Context(), st, fhir.Key{Type: "Flag", ID: "a"}) != 0 {
		t.Errorf("%v after %d plans", err, p.plans)
	}
}

func TestPlannersOnDifferentStoresCannotBeMixed(t *testing.T) {
	t.Parallel()
	_, err := commit.Do(t.Context(), []fhir.Change{change("Flag", "a"), change("Patient", "b")}, func(fhir.Type) commit.Planner {
		return &counter{store: memory.New()}
	})
	var told *fhir.Error
	if !errors.As(err, &told) || told.Code() != fhir.CodeNotSupported {
		t.Error(err)
	}
}

func TestWhatStandsBesideIsWrittenWithTheChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		claim string
		body  string
		taken bool  // the receipt
		want  int64 // Flag/a
	}{
		{"both", "", false, 2},
		{"also when the changes change nothing", "same", false, 1},
		{"neither when it is refused", "", true, 1},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			st := memory.New()
			ops := []store.Op{{Kind: store.Insert, Collection: "Flag", Doc: document("a", 1)}}
			if tt.taken {
				ops = append(ops, store.Op{Kind: store.Insert, Collection: "receipts", Doc: document("r", 9)})
			}
			if err := st.Apply(t.Context(), ops); err != nil {
				t.Fatal(err)
			}
			c := change("Flag", "a")
			c.Body = []byte(tt.body)
			ctx := insert(insert(t.Context(), "other"), "r")
			_, err := commit.Do(ctx, []fhir.Change{c}, func(fhir.Type) commit.Planner { return &counter{store: st} })
			var refused *commit.Refused
			if errors.As(err, &refused) != tt.taken || errors.Is(err, store.ErrExists) != tt.taken || (err != nil) != tt.taken {
				t.Fatal(err)
			}
			wantReceipt, wantOther := int64(1), int64(1)
			if tt.taken {
				wantReceipt, wantOther = 9, 0
				if id, _ := store.ID(refused.Op.Doc).StringValueOK(); id != "r" {
					t.Errorf("blamed %v", refused.Op)
				}
			}
			got := []int64{count(t.Context(), st, c.Key), count(t.Context(), st, receipt), count(t.Context(), st, fhir.Key{Type: "receipts", ID: "other"})}
			if diff := cmp.Diff([]int64{tt.want, wantReceipt, wantOther}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatStandsBesideIsMadeAnewInEachAttempt(t *testing.T) {
	t.Parallel()
	st := memory.New()
	p := &counter{store: st}
	p.before = func() {
		p.before = nil
		if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "Flag", Doc: document("a", 4)}}); err != nil {
			t.Error(err)
		}
	}
	var seen []string
	ctx := commit.Beside(t.Context(), func(results []fhir.Result) ([]store.Op, error) {
		seen = append(seen, versions(results)...)
		return nil, nil
	})
	if _, err := commit.Do(ctx, []fhir.Change{change("Flag", "a")}, func(fhir.Type) commit.Planner { return p }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Flag/a 1", "Flag/a 5"}, seen); diff != "" {
		t.Error(diff)
	}
	no := errors.New("no")
	ctx = commit.Beside(t.Context(), func([]fhir.Result) ([]store.Op, error) { return nil, no })
	if _, err := commit.Do(ctx, []fhir.Change{change("Flag", "a")}, func(fhir.Type) commit.Planner { return p }); !errors.Is(err, no) {
		t.Errorf("its error became %v", err)
	}
	if n := count(t.Context(), st, fhir.Key{Type: "Flag", ID: "a"}); n != 5 {
		t.Errorf("changed %d times", n)
	}
}
