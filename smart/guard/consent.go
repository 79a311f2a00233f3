package guard

import (
	"context"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/policy"
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

// operationsOnly keeps the Consent of a grant as it is, whoever writes: what it says would
// no longer be what is enforced. Least of all may it look revoked and not be, or look
// like a grant and be none.
func operationsOnly(change fhir.Change, old fhir.Resource) error {
	if change.Key.Type != "Consent" {
		return nil
	}
	granted := false
	for _, body := range [][]byte{old.Body, change.Body} {
		follow(body, []string{"category", "coding"}, func(coding []byte) bool {
			granted = granted || text(member(coding, "system")) == policy.BasisSystem
			return !granted
		})
	}
	if granted {
		return fhir.Errorf(fhir.CodeBusinessRule, "Consent.category", "This Consent is a grant to act for somebody. It is made and changed by $grant-proxy, $narrow-proxy and $revoke-proxy only.")
	}
	return nil
}

// notGranted is operationsOnly for backend services, of which nothing else is asked.
func (r *Repository) notGranted(ctx context.Context, change fhir.Change) error {
	if change.Key.Type != "Consent" || change.Method == fhir.Create {
		return operationsOnly(change, fhir.Resource{})
	}
	old, err := r.Inner.Read(ctx, change.Key)
	if err != nil && !fhir.Is(err, fhir.CodeNotFound, fhir.CodeDeleted) {
		return err
	}
	return operationsOnly(change, old)
}
