package chartmap

import (
	"fmt"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// remove plans a deletion: of the document, or of what one of several resources has of it
// alone.
func (p *planner) remove(c fhir.Change, b *branch, w *work, l *layer, cur fhir.Resource) error {
	if !b.Allows.Delete {
		return fhir.Errorf(fhir.CodeBusinessRule, "", "%s cannot be deleted here: it belongs to the EHR.", c.Key)
	}
	op := store.Op{Kind: store.Delete}
	if rest := slices.ContainsFunc(b.branches, func(o *branch) bool { return o != b && o.base.match(w.now) }); rest {
		op.Kind = store.Update
		for _, path := range b.alone() {
			if !store.Missing(store.Lookup(w.now, path)) {
				op.Unset = append(op.Unset, path)
			}
		}
		doc, err := store.Updated(w.now, nil, op.Unset)
		if err != nil {
			return fmt.Errorf("chartmap: taking a %s out of its document: %w", c.Key.Type, err)
		}
		if b.base.match(doc) {
			return fhir.Errorf(fhir.CodeBusinessRule, "", "%s cannot be deleted: others in the EHR have it in common.", c.Key)
		}
	}
	if err := p.pend(c, b, cur, nil); err != nil {
		return err
	}
	if err := p.apply(b, w, op); err != nil {
		return err
	}
	if l.version > 0 {
		p.ops = append(p.ops, l.op(nil))
	}
	p.done = append(p.done, outcome{status: fhir.Deleted, key: c.Key})
	return nil
}

// alone lists the fields that no other resource of the same document has.
func (b *branch) alone() []string {
	var own, others []string
	for _, rule := range b.Rules {
		if rule.Suffix == b.suffix {
			own = append(own, rule.Fields...)
		} else {
			others = append(others, rule.Fields...)
		}
	}
	return slices.DeleteFunc(own, func(path string) bool { return slices.Contains(others, path) })
}
