package guard

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// Possible gives the permissions that can ever be of use to somebody of a kind on
// resources of a type: whoever is asked for their consent need not be asked about more.
// It permits nothing.
func (r *Repository) Possible(k access.Kind, t fhir.Type) scope.Letters {
	_, written := layRules[t]
	switch {
	case k != access.System && r.Policy.Class(t) == policy.Closed:
		return 0
	case k != access.Patient && k != access.Proxy:
		return scope.AllV1
	case written:
		return scope.ReadV1 | scope.Create | scope.Update
	}
	return scope.ReadV1
}
