package load

import (
	"context"
	"crypto/sha256"

	"github.com/portico-fhir/portico/fhir"
)

// survey goes through the sources that can be read again: which ids come more than once, what
// is referred to by condition, and which resources meet the conditions. What is wrong
// with a source is reported when it is loaded.
func (r *run) survey(ctx context.Context, sources []source) error {
	requests := false
	err := r.through(ctx, sources, false, func(u unit) {
		r.ids.count(u)
		conditionalReferences(u.raw, r.conditions.want)
		if u.cond != "" {
			requests = true
			r.conditions.want(u.cond)
		}
	})
	if err != nil || !r.conditions.any() {
		return err
	}
	if err := r.through(ctx, sources, false, func(u unit) { r.conditions.offer(u) }); err != nil || !requests {
		return err
	}
	// Conditional requests change under which ids resources are written.
	r.ids.forget()
	return r.through(ctx, sources, true, r.ids.count)
}

func (r *run) through(ctx context.Context, sources []source, resolve bool, each func(unit)) error {
	for _, s := range sources {
		if !s.again() {
			continue
		}
		_ = r.each(ctx, s, resolve, func(u unit) error {
			if u.err == nil && !u.done {
				each(u)
			}
			return ctx.Err()
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// ids finds resources that come more than once, so that only the last of them is
// written and loading the same again changes nothing.
type ids struct {
	most  int
	seen  map[[16]byte]struct{} // hashes of keys
	again map[fhir.Key]int      // how often a key still comes behind its first
	all   int
}

func newIDs(most int) *ids {
	return &ids{most: most, seen: map[[16]byte]struct{}{}, again: map[fhir.Key]int{}}
}

func (s *ids) forget() {
	*s = *newIDs(s.most)
}

// count notes a unit of the survey. Ids beyond the limit are not remembered: if they
// come twice, both are written.
func (s *ids) count(u unit) {
	s.all++
	sum := sha256.Sum256([]byte(u.key.String()))
	h := [16]byte(sum[:16])
	if _, twice := s.seen[h]; twice {
		s.again[u.key]++
		return
	}
	if len(s.seen) < s.most {
		s.seen[h] = struct{}{}
	}
}

// comesAgain reports whether a unit that is to be written comes once more later.
func (s *ids) comesAgain(u unit) bool {
	if u.err != nil || u.done || s.again[u.key] == 0 {
		return false
	}
	s.again[u.key]--
	return true
}
