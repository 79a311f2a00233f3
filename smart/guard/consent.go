package guard

import (
	"github.com/portico-fhir/portico/fhir"
)

// statusProposed is that of a Consent that nobody has put into force.
const statusProposed = "proposed"

// notInForce keeps a Consent that is written like any resource from being in force: a
// new one is stored as proposed whatever it says, an old one does not become active.
func (r *Repository) notInForce(old fhir.Resource, change *fhir.Change) error {
	is := text(member(change.Body, "status"))
	if old.Body == nil {
		if is != statusProposed {
			change.Body = proposed(change.Body)
		}
		return nil
	}
	if is == "active" && text(member(old.Body, "status")) != "active" {
		return fhir.Errorf(fhir.CodeBusinessRule, "Consent.status", "A Consent is not put into force by writing it.")
	}
	return nil
}

// proposed gives a Consent with that status. Its status is required, so that it is
// there.
func proposed(body []byte) []byte {
	m, ok := inside(body)
	for ok && m.next() {
		if m.is("status") {
			out := append([]byte(nil), body[:m.end-len(m.value)]...)
			out = append(out, `"`+statusProposed+`"`...)
			return append(out, body[m.end:]...)
		}
	}
	return body
}
