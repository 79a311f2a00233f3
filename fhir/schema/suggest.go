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
	best, distance := "", 3
	all := d.fields()
	for i := range all {
		if have := all[i].name; bytes.EqualFold(key, []byte(have)) {
			best = have
			break
		} else if n := editDistance(have, string(key), distance); n < distance {
			best, distance = have, n
		}
	}
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

// editDistance is the number of characters to insert, delete or replace to turn
// a into b, or limit when it is not less than that.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := min(row[j]+1, row[j+1]+1)
			if a[i] == b[j] {
				next = min(next, diagonal)
			} else {
				next = min(next, diagonal+1)
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return min(row[len(b)], limit)
}
