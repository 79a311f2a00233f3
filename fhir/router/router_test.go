package router_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/router"
)

// spy answers with its name, for the types it has.
type spy struct {
	name  string
	types map[fhir.Type]bool // nil: all
}

func (s *spy) Read(_ context.Context, key fhir.Key) (fhir.Resource, error) {
	return fhir.Resource{Key: key, Version: s.name + " read"}, nil
}

func (s *spy) Version(_ context.Context, key fhir.Key, version string) (fhir.Resource, error) {
	return fhir.Resource{Key: key, Version: s.name + " version " + version}, nil
}

func (s *spy) History(_ context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	return fhir.Page{Next: s.name + " history of " + q.Key.String(), Total: ptr(int64(len(q.Types)))}, nil
}

func (s *spy) Search(_ context.Context, q *fhir.Query) (fhir.Page, error) {
	return fhir.Page{Next: s.name + " search of " + string(q.Type)}, nil
}

func (s *spy) Commit(context.Context, []fhir.Change) ([]fhir.Result, error) {
	return nil, errors.New("not asked: the router plans")
}

func (s *spy) Prepare(_ context.Context, changes []fhir.Change) (commit.Prepared, error) {
	var plan commit.Plan
	for _, c := range changes {
		plan.Results = append(plan.Results, fhir.Result{Resource: fhir.Resource{Key: c.Key, Version: s.name + " commit"}})
	}
	return commit.Prepared{Plan: func(context.Context) (*commit.Plan, error) { return &plan, nil }}, nil
}

func (s *spy) Describe(t fhir.Type) fhir.Capability {
	if s.types != nil && !s.types[t] {
		return fhir.Capability{}
	}
	return fhir.Capability{Read: true, Source: s.name}
}

func TestEachTypeGoesToTheRepositoryThatKeepsIt(t *testing.T) {
	t.Parallel()
	both := &router.Router{Mapped: &spy{name: "ehr", types: map[fhir.Type]bool{"Patient": true}}, Records: &spy{name: "records"}}
	alone := &router.Router{Records: &spy{name: "records"}}
	tests := []struct {
		claim string
		r     *router.Router
		typ   fhir.Type
		want  string
	}{
		{"a mapped type to the EHR", both, "Patient", "ehr"},
		{"another type to the records", both, "Consent", "records"},
		{"all types to the records without an EHR", alone, "Patient", "records"},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			ctx, key := t.Context(), fhir.Key{Type: tt.typ, ID: "1"}
			read, err1 := tt.r.Read(ctx, key)
			version, err2 := tt.r.Version(ctx, key, "3")
			history, err3 := tt.r.History(ctx, fhir.HistoryQuery{Key: key})
			search, err4 := tt.r.Search(ctx, &fhir.Query{Type: tt.typ})
			made, err5 := tt.r.Commit(ctx, []fhir.Change{{Method: fhir.Put, Key: key}, {Method: fhir.Create, Key: fhir.Key{Type: tt.typ}}})
			if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
				t.Fatal(err)
			}
			got := []string{read.Version, version.Version, history.Next, search.Next, made[0].Resource.Version, made[1].Resource.Version, tt.r.Describe(tt.typ).Source}
			want := []string{
				tt.want + " read", tt.want + " version 3", tt.want + " history of " + key.String(), tt.want + " search of " + string(tt.typ),
				tt.want + " commit", tt.want + " commit", tt.want,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestTheHistoryOfAllTypesIsThatOfTheRecords(t *testing.T) {
	t.Parallel()
	r := &router.Router{Mapped: &spy{name: "ehr", types: map[fhir.Type]bool{"Patient": true}}, Records: &spy{name: "records"}}
	for _, tt := range []struct {
		types []fhir.Type
		want  int
	}{{nil, len(fhir.Types()) - 1}, {[]fhir.Type{}, 0}, {[]fhir.Type{"Flag", "Basic"}, 2}} {
		page, err := r.History(t.Context(), fhir.HistoryQuery{Types: tt.types})
		if err != nil || page.Next != "records history of /" || *page.Total != int64(tt.want) {
			t.Errorf("%v: %+v, %v", tt.types, page, err)
		}
	}
	_, err := r.History(t.Context(), fhir.HistoryQuery{Types: []fhir.Type{"Flag", "Patient"}})
	var fault *fhir.Error
	if !errors.As(err, &fault) || fault.Code() != fhir.CodeNotSupported {
		t.Errorf("with a type of the EHR: %v", err)
	}
	page, err := r.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: "Patient"}})
	if err != nil || page.Next != "ehr history of Patient/" {
		t.Errorf("of a type of the EHR: %+v, %v", page, err)
	}
}
