package guard

import (
	"maps"
	"slices"
)

// patients is a set of logical ids of patients. It is read-only.
type patients struct {
	id  string          // the only one,
	ids map[string]bool // or all
}

func one(id string) *patients { return &patients{id: id} }

func (p *patients) none() bool { return p.id == "" && len(p.ids) == 0 }

func (p *patients) has(id string) bool {
	if p.ids == nil {
		return p.id == id && id != ""
	}
	return p.ids[id]
}

// only gives the set of that patient alone, empty unless p has it.
func (p *patients) only(id string) *patients {
	if p.has(id) {
		return one(id)
	}
	return new(patients)
}

// all gives the ids in a fixed order.
func (p *patients) all() []string {
	if p.ids == nil {
		return []string{p.id}
	}
	return slices.Sorted(maps.Keys(p.ids))
}
