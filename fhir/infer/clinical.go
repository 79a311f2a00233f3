package infer

import (
	"fmt"
	"strings"
)

// subjectRef proposes the reference to the patient.
func subjectRef(name string) element {
	return func(d *drafter) (line, bool) {
		f := d.refer("Patient")
		if f == nil {
			return line{}, false
		}
		return line{text: fmt.Sprintf("%s: { $ref: Patient, $from: %s }", name, quote(f.Path)), confidence: 0.95, fields: []*Field{f}}, true
	}
}

// refList proposes a list of one reference.
func refList(name, resource string) element {
	return func(d *drafter) (line, bool) {
		f := d.refer(resource)
		if f == nil {
			return line{}, false
		}
		return line{text: fmt.Sprintf("%s: { $list1: { $ref: %s, $from: %s } }", name, resource, quote(f.Path)), confidence: 0.6, fields: []*Field{f}}, true
	}
}

// participants proposes who takes part in an appointment.
func participants() element {
	return func(d *drafter) (line, bool) {
		var slots []string
		l := line{confidence: 0.9}
		for _, resource := range []string{"Patient", "Practitioner", "Location"} {
			f := d.refer(resource)
			if f == nil {
				continue
			}
			slots = append(slots, fmt.Sprintf("{ actor: { $ref: %s, $from: %s }, status: { $const: accepted } }", resource, quote(f.Path)))
			l.fields = append(l.fields, f)
		}
		l.text = "participant: { $slots: [ " + strings.Join(slots, ", ") + " ] }"
		return l, len(slots) > 0
	}
}

// medication proposes what is prescribed: a code of the ATC, a name, or both.
func medication() element {
	return func(d *drafter) (line, bool) {
		l := line{confidence: 0.9}
		var parts []string
		if f, _ := d.pick(atc, Word); f != nil {
			d.used[f] = true
			parts, l.fields = append(parts, fmt.Sprintf(`coding: { $slots: [ { system: { $const: "http://www.whocc.no/atc" }, code: %s } ] }`, quote(f.Path))), append(l.fields, f)
		}
		if f, c := d.pick(drugName, Word, Text); f != nil {
			parts, l.fields = append(parts, "text: "+quote(f.Path)), append(l.fields, f)
			l.confidence = c
		}
		l.text = "medicationCodeableConcept: { " + strings.Join(parts, ", ") + " }"
		return l, len(parts) > 0
	}
}

// dispense proposes how much is handed out, and how often.
func dispense() element {
	return func(d *drafter) (line, bool) {
		l := line{confidence: 0.7}
		var parts []string
		if f, _ := d.pick(refills, Whole); f != nil {
			parts, l.fields = append(parts, fmt.Sprintf("numberOfRepeatsAllowed: { $from: %s, $as: int }", quote(f.Path))), append(l.fields, f)
		}
		if rule, fields := d.amount(quantity, append([]string{"qtyunit"}, unit...)); rule != "" {
			parts, l.fields = append(parts, "quantity: "+rule), append(l.fields, fields...)
		}
		l.text = "dispenseRequest: { " + strings.Join(parts, ", ") + " }"
		return l, len(parts) > 0
	}
}

// amount is a number with the field of its unit.
func (d *drafter) amount(called, units []string) (string, []*Field) {
	number, _ := d.pick(called, Number, Whole)
	by, _ := d.pick(units, Word, Text)
	if number == nil || by == nil {
		return "", nil
	}
	return fmt.Sprintf("{ $quantity: %s, $unitFrom: %s }", quote(number.Path), quote(by.Path)), []*Field{number, by}
}

// quantityOf proposes a measured value.
func quantityOf() element {
	return func(d *drafter) (line, bool) {
		rule, fields := d.amount(result, unit)
		return line{text: "valueQuantity: " + rule, confidence: 0.8, fields: fields}, rule != ""
	}
}
