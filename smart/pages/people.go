package pages

import (
	"context"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/scope"
)

// Choice is a record that somebody may open, and as whom.
type Choice struct {
	Patient fhir.Key
	Name    string
	Birth   string      // birthDate as FHIR writes it; may be empty
	Kind    access.Kind // Patient: the person's own record; Proxy; Clinician
	Actor   fhir.Key    // fhirUser: who the person is in this relation
	Grant   string      // id of the ProxyGrant, for Proxy
	// Possible gives what scopes on a type could permit to this person for this patient:
	// nobody is asked about more. nil: everything.
	Possible func(fhir.Type) scope.Letters
}

// People knows whose records somebody may open now. What it does not offer cannot be
// chosen, whatever a form says.
type People interface {
	// Patients gives the person's own record, if there is one, and those of whom the
	// person acts for.
	Patients(ctx context.Context, who *account.Account) ([]Choice, error)
	// Find gives patients whom a clinician treats and whose names are like text, at
	// most Found+1 of them. It is asked only for accounts with the role clinician.
	Find(ctx context.Context, who *account.Account, text string) ([]Choice, error)
	// May gives the choice of one patient, ok=false when the person may not open that
	// record, or there is none.
	May(ctx context.Context, who *account.Account, patient string) (c Choice, ok bool, err error)
}

// Found is how many patients a search shows.
const Found = 20
