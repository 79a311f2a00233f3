package people_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/grant"
	"github.com/portico-fhir/portico/smart/pages"
	"github.com/portico-fhir/portico/smart/people"
)

func patient(id string) fhir.Key { return fhir.Key{Type: "Patient", ID: id} }

var errStore = errors.New("the store is down")

// clinic is a repository that shows each clinician the patients in a table, and grants.
type clinic struct {
	fhir.Repository
	treats  map[string][]string
	choices []grant.Choice // those of tom
	down    bool
}

var nameParam = &fhir.SearchParam{Name: "name", Type: fhir.ParamString}

func (c *clinic) Describe(fhir.Type) fhir.Capability {
	return fhir.Capability{Read: true, Search: true, Params: []*fhir.SearchParam{nameParam}}
}

// who is the practitioner of the context, who may only read and search patients.
func (c *clinic) who(ctx context.Context) string {
	a := access.From(ctx)
	if a == nil || a.Kind != access.Clinician || a.Scopes.String() != "user/Patient.rs" {
		return ""
	}
	return a.Actor.ID
}

func (c *clinic) Read(ctx context.Context, key fhir.Key) (fhir.Resource, error) {
	if c.down {
		return fhir.Resource{}, errStore
	}
	for _, id := range c.treats[c.who(ctx)] {
		if key == patient(id) {
			return fhir.Resource{Key: key}, nil
		}
	}
	return fhir.Resource{}, fhir.Errorf(fhir.CodeNotFound, "", "There is none.")
}

func (c *clinic) Search(ctx context.Context, q *fhir.Query) (fhir.Page, error) {
	var p fhir.Page
	for _, id := range c.treats[c.who(ctx)] {
		all := true
		for _, part := range q.Where.(fhir.And) {
			all = all && strings.Contains(id, string(part.(fhir.Term).Value.(fhir.StringValue)))
		}
		if all && len(p.Resources) < q.Count {
			p.Resources = append(p.Resources, fhir.Resource{Key: patient(id)})
		}
	}
	return p, nil
}

func (c *clinic) Choices(_ context.Context, who *account.Account) ([]grant.Choice, error) {
	if who.ID != "tom" {
		return nil, nil
	}
	return c.choices, nil
}

// describer has the names: that of the record is its id.
type describer struct{ *clinic }

func (d *describer) Describe(_ context.Context, p fhir.Key) (grant.Choice, error) {
	if p.ID == "gone" {
		return grant.Choice{}, fhir.Errorf(fhir.CodeDeleted, "", "It was deleted.")
	}
	return grant.Choice{Patient: p, Name: "Name of " + p.ID, Birth: "2000"}, nil
}

func newClinic() (*clinic, *people.People) {
	father := fhir.Key{Type: "RelatedPerson", ID: "father"}
	c := &clinic{
		treats: map[string][]string{"dr": {"amy-shaw", "lena-shaw", "max-shaw"}},
		choices: []grant.Choice{
			{Patient: patient("tom-shaw"), Name: "Tom", Actor: patient("tom-shaw")},
			{Patient: patient("lena-shaw"), Name: "Lena", Birth: "2012", Actor: father, Grant: "g1"},
			{Patient: patient("lena-shaw"), Name: "Lena", Birth: "2012", Actor: father, Grant: "g2"},
		},
	}
	return c, &people.People{Guarded: c, Grants: &describer{c}}
}

func tom() *account.Account {
	return &account.Account{ID: "tom", Roles: []account.Role{account.Patient, account.Proxy}, Person: patient("tom-shaw")}
}

func doctor() *account.Account {
	return &account.Account{ID: "dr", Roles: []account.Role{account.Clinician}, Person: fhir.Key{Type: "Practitioner", ID: "dr"}}
}

func ids(choices []pages.Choice) string {
	all := make([]string, len(choices))
	for i, c := range choices {
		all[i] = c.Patient.ID + ":" + c.Kind.String() + ":" + c.Grant
	}
	return strings.Join(all, " ")
}

func TestPatients(t *testing.T) {
	t.Parallel()
	_, p := newClinic()
	for name, c := range map[string]struct {
		who  *account.Account
		want string
	}{
		"B10 the own record, then those acted for, each once": {tom(), "tom-shaw:patient: lena-shaw:proxy:g1"},
		"B10 a clinician has no record by that":               {doctor(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := p.Patients(t.Context(), c.who)
			if err != nil || ids(got) != c.want {
				t.Errorf("got %q, %v, want %q", ids(got), err, c.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	_, p := newClinic()
	for text, want := range map[string]string{
		"shaw": "amy-shaw:clinician: lena-shaw:clinician: max-shaw:clinician:", "shaw lena": "lena-shaw:clinician:", "tom": "", " ": "", "a b c d e f": "",
	} {
		got, err := p.Find(t.Context(), doctor(), text)
		if err != nil || ids(got) != want {
			t.Errorf("B10 %q: %q, %v, want %q", text, ids(got), err, want)
		}
	}
	if got, err := p.Find(t.Context(), tom(), "shaw"); err != nil || len(got) != 0 {
		t.Errorf("B10 a father finds %v, %v", got, err)
	}
}

func TestMay(t *testing.T) {
	t.Parallel()
	c, p := newClinic()
	for name, x := range map[string]struct {
		who  *account.Account
		id   string
		want string
	}{
		"B10 the own record":                  {tom(), "tom-shaw", "tom-shaw:patient:"},
		"B10 one acted for":                   {tom(), "lena-shaw", "lena-shaw:proxy:g1"},
		"B10 another":                         {tom(), "amy-shaw", ""},
		"B10 one that the clinician treats":   {doctor(), "amy-shaw", "amy-shaw:clinician:"},
		"B10 one that the clinician does not": {doctor(), "tom-shaw", ""},
		"B10 what is no id":                   {doctor(), "../amy-shaw", ""},
		"B10 nobody":                          {doctor(), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok, err := p.May(t.Context(), x.who, x.id)
			if err != nil || ok != (x.want != "") || ok && ids([]pages.Choice{got}) != x.want {
				t.Errorf("got %+v, %v, %v, want %q", got, ok, err, x.want)
			}
		})
	}
	t.Run("B10 who somebody is follows from how they may", func(t *testing.T) {
		t.Parallel()
		got, _, err := p.May(t.Context(), tom(), "lena-shaw")
		want := pages.Choice{Patient: patient("lena-shaw"), Name: "Lena", Birth: "2012", Kind: access.Proxy, Actor: fhir.Key{Type: "RelatedPerson", ID: "father"}, Grant: "g1"}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
	down := &people.People{Guarded: &clinic{Repository: c, down: true}, Grants: &describer{c}}
	if _, ok, err := down.May(t.Context(), doctor(), "amy-shaw"); ok || !errors.Is(err, errStore) {
		t.Errorf("a store that is down: %v, %v", ok, err)
	}
}
