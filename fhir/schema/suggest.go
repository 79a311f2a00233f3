package schema

import (
	"bytes"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// maxVariants is how many types of a choice a suggestion lists.
const maxVariants = 4

// unknown reports a member that the definition does not have, or a companion
// that it cannot have.
func (r *run) unknown(f *frame, name []byte) {
	if r.full() {
		return
	}
	detail := quote(name) + " is not an element of " + f.def.name + suggestion(f.def, name)
	if !plainName(name) {
		r.issue(fhir.CodeStructure, "%s", detail)
		return
	}
	r.issueAt(string(name), fhir.CodeStructure, "%s", detail)
}

// suggestion says which member the client may have meant.
func suggestion(d *def, name []byte) string {
	if len(name) > maxName {
		return ""
	}
	key, companion := bytes.CutPrefix(name, []byte("_"))
	if companion && d.find(key) >= 0 {
		return "; " + string(key) + " takes no companion"
	}
	if variants := choiceVariants(d, key); variants != "" {
		return "; a choice is written with its type, for example " + variants
	}
	all := d.fields()
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name
	}
	best := fhir.Nearest(string(key), names)
	if best == "" {
		return ""
	}
	return `; did you mean "` + prefixed(best, companion) + `"?`
}

// choiceVariants lists the members of the choice that key names without a type.
func choiceVariants(d *def, key []byte) string {
	var names []string
	all := d.fields()
	for i := range all {
		if all[i].choice != 0 && all[i].element() == string(key) {
			names = append(names, all[i].name)
		}
	}
	if len(names) > maxVariants {
		names = names[:maxVariants]
	}
	return strings.Join(names, ", ")
}
