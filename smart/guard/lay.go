package guard

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
)

// action is what of the matrix a change is.
func (r *Repository) action(a *access.Access, change fhir.Change) policy.Action {
	if a == nil || a.Kind != access.Proxy {
		return policy.Change
	}
	create := change.Method == fhir.Create
	switch change.Key.Type {
	case "Appointment":
		if create {
			return policy.Request
		}
		return policy.Cancel
	case "Communication":
		return policy.Send
	case "MedicationRequest":
		return policy.Refill
	case "QuestionnaireResponse", "Observation":
		return policy.Answer
	}
	return policy.Change
}

// layRules are what else holds of what patients, and proxies for them, write: of old,
// which is nil for what is new, and of what comes of it.
var layRules = map[fhir.Type]func(*laying) error{
	"Appointment":           (*laying).appointment,
	"Communication":         (*laying).message,
	"Consent":               (*laying).consent,
	"MedicationRequest":     (*laying).refill,
	"Observation":           (*laying).measurement,
	"QuestionnaireResponse": (*laying).answers,
}

// laying is a change that a patient or proxy makes.
type laying struct {
	*Repository
	access   *access.Access
	typ      fhir.Type
	old, new object
}

// object is a JSON object.
type object map[string]any

// lay applies the rules for writing of patients and proxies.
func (r *Repository) lay(a *access.Access, old fhir.Resource, change *fhir.Change) error {
	t := change.Key.Type
	rule, ok := layRules[t]
	if !ok {
		return fhir.Errorf(fhir.CodeForbidden, "", "Patients and those who act for them do not write %s resources.", t)
	}
	l := &laying{Repository: r, access: a, typ: t}
	var err error
	if l.new, err = decode(change.Body); err != nil {
		return err
	}
	if old.Body != nil {
		if l.old, err = decode(old.Body); err != nil {
			return err
		}
	}
	for _, check := range []func(*laying) error{(*laying).meta, (*laying).subject, rule, (*laying).status} {
		if err := check(l); err != nil {
			return err
		}
	}
	return nil
}

func decode(body []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var o object
	if err := d.Decode(&o); err != nil {
		return nil, fhir.Errorf(fhir.CodeStructure, "", "The resource is no JSON object.").Because(err)
	}
	return o, nil
}

// refuse is that a rule does not hold.
func (l *laying) refuse(element, format string, args ...any) error {
	return fhir.Errorf(fhir.CodeBusinessRule, string(l.typ)+"."+element, format, args...)
}

// meta lets nobody change what the server owns: security labels, tags, profiles, where
// something comes from.
func (l *laying) meta() error {
	was, is := l.old.object("meta"), l.new.object("meta")
	for _, name := range []string{"security", "tag", "profile", "source", "extension"} {
		if l.old == nil && name == "profile" {
			continue // what it claims to be
		}
		if !reflect.DeepEqual(was[name], is[name]) {
			return l.refuse("meta."+name, "meta.%s is the server's: a patient cannot set or change it.", name)
		}
	}
	return nil
}

// subject lets what is new be about the patient of the token and about no other, and
// what is there stay about whom it is.
func (l *laying) subject() error {
	rule := l.Policy.Record[l.typ]
	names := rule.Path()
	own := "Patient/" + l.patient()
	is := l.new.references(names)
	if l.old != nil {
		if was := l.old.references(names); !reflect.DeepEqual(was, is) {
			return l.refuse(rule.Element, "Whom this is about cannot be changed.")
		}
		return nil
	}
	about := false
	for _, ref := range is {
		parsed := fhir.ParseReference(ref, l.Base)
		switch {
		case parsed.Kind == fhir.RefLocal && parsed.Key.String() == own && parsed.Version == "":
			about = true
		case parsed.Kind == fhir.RefLocal && l.typ == "Appointment" && parsed.Key.Type != "Patient":
		default:
			return otherPatient(l.typ)
		}
	}
	if !about {
		return otherPatient(l.typ)
	}
	return nil
}

// patient is the logical id of the patient of the token.
func (l *laying) patient() string {
	if l.access.Kind == access.Patient {
		return l.access.Actor.ID
	}
	return l.access.Patient
}

// status holds a change of status against those that the policy lists.
func (l *laying) status() error {
	w := l.Policy.Writes[l.typ]
	was, is := l.old.text("status"), l.new.text("status")
	if w.Status == nil || l.old != nil && was == is {
		return l.changed(w, was)
	}
	if may := w.Status[was]; !slices.Contains(may, is) {
		switch {
		case was == "":
			return l.refuse("status", "A patient creates this with the status %s.", strings.Join(may, " or "))
		case len(may) == 0:
			return l.refuse("status", "What is %s is not changed by patients any more.", was)
		}
		return l.refuse("status", "From the status %s a patient can go on to %s.", was, strings.Join(may, " or "))
	}
	return l.changed(w, was)
}

// changed lets only those elements differ that the policy lists.
func (l *laying) changed(w policy.Write, status string) error {
	may, restricted := w.Change[status]
	if l.old == nil || w.Change == nil {
		return nil
	}
	if !restricted {
		may = nil
	}
	return l.only(may...)
}

// only lets nothing differ but these elements, and what the server sets. A narrative may
// be left out, since it may say what is no longer so.
func (l *laying) only(may ...string) error {
	may = append([]string{"id", "meta"}, may...)
	if _, ok := l.new["text"]; !ok {
		may = append(may, "text")
	}
	for _, o := range []object{l.old, l.new} {
		for name := range o {
			if !slices.Contains(may, name) && !reflect.DeepEqual(l.old[name], l.new[name]) {
				return l.refuse(name, "A patient cannot change this here.")
			}
		}
	}
	return nil
}

// appointment lets nobody be added or removed, or answer for others.
func (l *laying) appointment() error {
	if l.old == nil {
		return nil
	}
	was, _ := l.old["participant"].([]any)
	is, _ := l.new["participant"].([]any)
	if len(was) != len(is) {
		return l.refuse("participant", "Who takes part cannot be changed.")
	}
	for i := range was {
		before, _ := was[i].(map[string]any)
		after, _ := is[i].(map[string]any)
		if !reflect.DeepEqual(before["actor"], after["actor"]) {
			return l.refuse("participant", "Who takes part cannot be changed.")
		}
		if !l.self(object(before).object("actor").text("reference")) && !reflect.DeepEqual(before, after) {
			return l.refuse("participant", "Nobody answers for others.")
		}
	}
	return nil
}

// forOthers keeps patients, and proxies for them, from canceling or moving an appointment
// of other patients, too: they change how they take part themselves.
func (r *Repository) forOthers(a *access.Access, unseen cuts, shown fhir.Resource, change fhir.Change) error {
	if change.Key.Type != "Appointment" || unseen.items == nil || a.Kind != access.Patient && a.Kind != access.Proxy {
		return nil
	}
	l := &laying{Repository: r, access: a, typ: change.Key.Type}
	var err error
	if l.old, err = decode(shown.Body); err == nil {
		l.new, err = decode(change.Body)
	}
	if err == nil && l.only("participant") != nil {
		err = l.refuse("participant", "Others take part in this appointment, too. Decline it (participant.status) instead of changing it for all.")
	}
	return err
}

// self reports whether a reference is to the patient of the token or to the writer.
func (l *laying) self(reference string) bool {
	ref := fhir.ParseReference(reference, l.Base)
	return ref.Kind == fhir.RefLocal && (ref.Key == l.access.Actor || ref.Key == fhir.Key{Type: "Patient", ID: l.patient()})
}

// message lets a new message be from its writer, and an old one only be received.
func (l *laying) message() error {
	if l.old == nil {
		return l.mine("sender")
	}
	received := slices.Contains(l.old.references([]string{"recipient"}), l.access.Actor.String())
	if !received {
		return fhir.Errorf(fhir.CodeForbidden, "", "A message that was sent cannot be changed.")
	}
	return l.only("received")
}

// mine wants an element that names the writer.
func (l *laying) mine(element string) error {
	refs := l.new.references([]string{element})
	if len(refs) != 1 || refs[0] != l.access.Actor.String() {
		return l.refuse(element, "%s must be %s, whom this token is for.", element, l.access.Actor)
	}
	return nil
}

// mineOrNobody wants an element to name the writer, if it is there.
func (l *laying) mineOrNobody(o object, element string) error {
	for _, ref := range o.references([]string{element}) {
		if ref != l.access.Actor.String() {
			return l.refuse(element, "%s can only be %s, whom this token is for.", element, l.access.Actor)
		}
	}
	return nil
}

// refill lets a patient ask for a prescription to be renewed, which must be one that the
// patient sees.
func (l *laying) refill() error {
	prior := l.new.references([]string{"priorPrescription"})
	switch {
	case l.old != nil:
		return fhir.Errorf(fhir.CodeForbidden, "", "A patient asks for a prescription to be renewed, and cannot change one.")
	case l.new.text("intent") != "proposal":
		return l.refuse("intent", "A patient proposes: the intent must be proposal.")
	case len(prior) != 1:
		return l.refuse("priorPrescription", "priorPrescription must name the prescription that is to be renewed.")
	}
	ref := fhir.ParseReference(prior[0], l.Base)
	if ref.Kind != fhir.RefLocal || ref.Key.Type != "MedicationRequest" || ref.Version != "" {
		return l.refuse("priorPrescription", "priorPrescription must be written MedicationRequest/[id].")
	}
	if err := l.mineOrNobody(l.new, "recorder"); err != nil {
		return err
	}
	return l.mineOrNobody(l.new, "requester")
}

// measurement lets a patient record what they measured or answered themselves.
func (l *laying) measurement() error {
	for _, o := range []object{l.old, l.new} {
		if o == nil {
			continue
		}
		if err := l.mineOrNobody(o, "performer"); err != nil {
			return err
		}
		if l.old != nil && len(o.references([]string{"performer"})) == 0 {
			return fhir.Errorf(fhir.CodeForbidden, "", "A patient changes only what they recorded themselves.")
		}
		codes := o.codes("category")
		known := func(code string) bool { return slices.Contains(l.Policy.Writes[l.typ].Categories, code) }
		if len(codes) == 0 || slices.ContainsFunc(codes, func(code string) bool { return !known(code) }) {
			return l.refuse("category", "A patient records Observations of the categories %s.", strings.Join(l.Policy.Writes[l.typ].Categories, " and "))
		}
	}
	return nil
}

// answers lets a patient answer questions, and go on with answers of their own.
func (l *laying) answers() error {
	for _, o := range []object{l.old, l.new} {
		if err := l.mineOrNobody(o, "author"); err != nil {
			return err
		}
	}
	if l.old != nil && len(l.old.references([]string{"author"})) == 0 {
		return fhir.Errorf(fhir.CodeForbidden, "", "A patient changes only answers of their own.")
	}
	if reflect.DeepEqual(l.old["source"], l.new["source"]) {
		return nil
	}
	return l.mineOrNobody(l.new, "source")
}

// consent is for patients themselves, as long as it is proposed.
func (l *laying) consent() error {
	if l.access.Kind != access.Patient {
		return fhir.Errorf(fhir.CodeForbidden, "", "Those who act for a patient do not write the patient's consents.")
	}
	if l.old != nil && l.old.text("status") != statusProposed {
		return l.refuse("status", "A patient changes only a Consent that is proposed.")
	}
	return nil
}
