package guard

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
)

// staff keeps clinicians from rewriting what tells who did what: they write no
// AuditEvent, and of Provenance they only add.
func staff(a *access.Access, change fhir.Change) error {
	if a.Kind != access.Clinician {
		return nil // lay.go: others who are not backend services write neither
	}
	switch t := change.Key.Type; {
	case t == "AuditEvent", t == "Provenance" && change.Method != fhir.Create:
		return fhir.Errorf(fhir.CodeForbidden, "", "What tells who did what is not changed: this token may not change this %s in this way.", t)
	}
	return nil
}
