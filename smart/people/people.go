package people

import (
	"context"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/grant"
	"github.com/portico-fhir/portico/smart/pages"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// Grants are the grants that let people act for others.
type Grants interface {
	// Choices lists for whom somebody may act now, the own record first.
	Choices(ctx context.Context, who *account.Account) ([]grant.Choice, error)
	// Describe gives name and date of birth of a patient, whoever asks.
	Describe(ctx context.Context, patient fhir.Key) (grant.Choice, error)
}

var _ Grants = (*grant.Grants)(nil)

// People implements pages.People.
type People struct {
	// Guarded are the resources, narrowed by the Access in the context.
	Guarded fhir.Repository
	Grants  Grants
	// Possible gives what scopes on a type could permit to somebody of a kind, and Policy
	// what of that a grant leaves; nil: everything.
	Possible func(access.Kind, fhir.Type) scope.Letters
	Policy   *policy.Policy
}

// possible gives what scopes on a type could permit to somebody of a kind; grant is what
// a proxy may do now.
func (p *People) possible(k access.Kind, grant *policy.Effective) func(fhir.Type) scope.Letters {
	if p.Possible == nil {
		return nil
	}
	return func(t fhir.Type) scope.Letters {
		letters := p.Possible(k, t)
		if grant == nil || p.Policy == nil {
			return letters
		}
		var left scope.Letters
		for one := range p.Policy.Narrow(grant, scope.Of(scope.Scope{Context: scope.Patient, Type: t, Letters: letters})).All() {
			left |= one.Letters
		}
		return left
	}
}

var _ pages.People = (*People)(nil)

// Patients gives the person's own record first, then those of whom the person acts
// for, each once.
func (p *People) Patients(ctx context.Context, who *account.Account) ([]pages.Choice, error) {
	may, err := p.Grants.Choices(ctx, who)
	if err != nil {
		return nil, err
	}
	var all []pages.Choice
	for _, g := range may {
		if slices.ContainsFunc(all, func(c pages.Choice) bool { return c.Patient == g.Patient }) {
			continue
		}
		c := pages.Choice{Patient: g.Patient, Name: g.Name, Birth: g.Birth, Kind: access.Patient, Actor: g.Actor, Grant: g.Grant, Possible: p.possible(access.Patient, nil)}
		if g.Grant != "" {
			c.Kind, c.Possible = access.Proxy, p.possible(access.Proxy, &g.Now)
		}
		all = append(all, c)
	}
	return all, nil
}

// describe adds name and date of birth; ok is false when the patient is not there.
func (p *People) describe(ctx context.Context, c pages.Choice) (_ pages.Choice, ok bool, err error) {
	about, err := p.Grants.Describe(ctx, c.Patient)
	if absent(err) {
		return pages.Choice{}, false, nil
	}
	c.Name, c.Birth = about.Name, about.Birth
	return c, err == nil, err
}

func absent(err error) bool { return fhir.Is(err, fhir.CodeNotFound, fhir.CodeDeleted) }

// asClinician gives the context of a clinician who looks for patients.
func asClinician(ctx context.Context, who *account.Account) context.Context {
	return access.With(ctx, &access.Access{
		Kind: access.Clinician, Actor: who.Person, Account: who.ID,
		Scopes: scope.Of(scope.Scope{Context: scope.User, Type: "Patient", Letters: scope.Read | scope.Search}),
	})
}

// maxWords bounds the words of a search.
const maxWords = 5

// Find searches among the patients whom a clinician treats: each word must begin a part of
// the name.
func (p *People) Find(ctx context.Context, who *account.Account, text string) ([]pages.Choice, error) {
	if !who.Has(account.Clinician) {
		return nil, nil
	}
	params := p.Guarded.Describe("Patient").Params
	at := slices.IndexFunc(params, func(s *fhir.SearchParam) bool { return s.Name == "name" })
	words := strings.Fields(text)
	if at < 0 || len(words) == 0 || len(words) > maxWords {
		return nil, nil
	}
	var where fhir.And
	for _, w := range words {
		where = append(where, fhir.Term{Param: params[at], Value: fhir.StringValue(w)})
	}
	page, err := p.Guarded.Search(asClinician(ctx, who), &fhir.Query{Type: "Patient", Where: where, Count: pages.Found + 1})
	if err != nil {
		return nil, err
	}
	var all []pages.Choice
	for _, r := range page.Resources {
		c, ok, err := p.describe(ctx, pages.Choice{Patient: r.Key, Kind: access.Clinician, Actor: who.Person, Possible: p.possible(access.Clinician, nil)})
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b pages.Choice) int {
		return strings.Compare(a.Name+"\x00"+a.Patient.ID, b.Name+"\x00"+b.Patient.ID)
	})
	return all, nil
}

// May gives the choice of one patient: the own record before one by a grant, that before
// one as a clinician.
func (p *People) May(ctx context.Context, who *account.Account, patient string) (c pages.Choice, ok bool, err error) {
	all, err := p.Patients(ctx, who)
	if err != nil {
		return pages.Choice{}, false, err
	}
	if i := slices.IndexFunc(all, func(c pages.Choice) bool { return c.Patient.ID == patient }); i >= 0 {
		return all[i], true, nil
	}
	if !who.Has(account.Clinician) || !fhir.ValidID(patient) {
		return pages.Choice{}, false, nil
	}
	key := fhir.Key{Type: "Patient", ID: patient}
	if _, err := p.Guarded.Read(asClinician(ctx, who), key); err != nil {
		if absent(err) {
			err = nil
		}
		return pages.Choice{}, false, err
	}
	return p.describe(ctx, pages.Choice{Patient: key, Kind: access.Clinician, Actor: who.Person, Possible: p.possible(access.Clinician, nil)})
}
