package commit

import (
	"github.com/portico-fhir/portico/fhir"
)

// Check refuses changes that no state of any store could make right: an unknown type,
// an id that cannot be one, two changes to one resource.
func Check(changes []fhir.Change) error {
	seen := make(map[fhir.Key]bool, len(changes))
	conditions := make(map[string]bool)
	for _, c := range changes {
		switch {
		case !c.Key.Type.Valid():
			return fhir.Errorf(fhir.CodeNotFound, "", "There is no resource type %q.", c.Key.Type)
		case !fhir.ValidID(c.Key.ID) && (c.Method != fhir.Create || c.Key.ID != ""):
			return fhir.Errorf(fhir.CodeInvalid, "", "The id must be 1 to 64 letters, digits, '-' or '.'.")
		case c.Key.ID != "" && seen[c.Key]:
			return fhir.Errorf(fhir.CodeInvalid, "", "%s is changed twice in one request.", c.Key)
		case c.IfNoneExist != nil && c.Method == fhir.Delete:
			return fhir.Errorf(fhir.CodeInvalid, "", "Only a creation can depend on that nothing meets a condition.")
		case c.IfNoneExist != nil && conditions[c.IfNoneExist.Name]:
			return fhir.Errorf(fhir.CodeInvalid, "", "Two creations in one request depend on the same condition.")
		}
		if c.IfNoneExist != nil {
			conditions[c.IfNoneExist.Name] = true
		}
		seen[c.Key] = true
	}
	return nil
}
