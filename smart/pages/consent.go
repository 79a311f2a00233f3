package pages

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/scope"
)

// row is what can be granted or not on the consent page: some types with the same
// restriction, in one context.
type row struct {
	Context scope.Context
	Types   []fhir.Type // one; with Rest those of "*" that have no words of their own
	Rest    bool
	Filter  string // as in a scope; empty: not restricted
	Read    scope.Letters
	Write   scope.Letters
}

// Key names the row in the form.
func (r *row) Key() string {
	name := string(r.Types[0])
	if r.Rest {
		name = "rest"
	}
	key := r.Context.String() + "/" + name
	if r.Filter != "" {
		key += "?" + r.Filter
	}
	return key
}

// Kinds are those that can be chosen: none where the app already asks for only some.
func (r *row) Kinds() []kind {
	if r.Rest || r.Filter != "" {
		return nil
	}
	return kinds(r.Types[0])
}

// ask is what the consent page asks.
type ask struct {
	scopes scope.Set
	rows   []*row
	at     map[spot]*row
	// possible is what could be permitted; the rest is neither asked nor granted.
	possible func(fhir.Type) scope.Letters
}

// spot says in which row a type is; without a type, the row of all that "*" stands for and
// that have none of their own.
type spot struct {
	context scope.Context
	filter  string
	typ     fhir.Type
}

// newAsk makes the rows for the scopes that an app asks for. Types are all that the
// server has: what "*" stands for. Possible may be nil: everything is.
func newAsk(scopes scope.Set, types []fhir.Type, possible func(fhir.Type) scope.Letters) *ask {
	a := &ask{scopes: scopes, at: make(map[spot]*row), possible: once(possible)}
	for s := range scopes.All() {
		if s.Name != "" {
			continue
		}
		one := []fhir.Type{s.Type}
		if s.Type == "" {
			one = types
		}
		for _, t := range one {
			if letters := s.Letters & a.possible(t); letters != 0 {
				a.add(s, t, letters)
			}
		}
	}
	slices.SortStableFunc(a.rows, func(x, y *row) int { return x.rank() - y.rank() })
	return a
}

// once is a function that asks possible about each type once.
func once(possible func(fhir.Type) scope.Letters) func(fhir.Type) scope.Letters {
	if possible == nil {
		return func(fhir.Type) scope.Letters { return scope.AllV1 }
	}
	known := make(map[fhir.Type]scope.Letters)
	return func(t fhir.Type) scope.Letters {
		letters, ok := known[t]
		if !ok {
			letters = possible(t)
			known[t] = letters
		}
		return letters
	}
}

// add adds what a scope asks for about a type. The types of "*" that have no words of their
// own share a row; with a restriction all do, so that the page stays as long as what
// was asked.
func (a *ask) add(s scope.Scope, t fhir.Type, letters scope.Letters) {
	_, named := groupOf(t)
	own, shared := spot{s.Context, s.Filter, t}, spot{s.Context, s.Filter, ""}
	r := a.at[own]
	if r == nil && s.Type == "" && (!named || s.Filter != "") {
		if r = a.at[shared]; r == nil {
			r = a.row(s)
			r.Rest = true
			a.at[shared] = r
		}
	}
	if r == nil {
		r = a.row(s)
	}
	if a.at[own] == nil {
		a.at[own] = r
		r.Types = append(r.Types, t)
	}
	r.Read |= letters & scope.ReadV1
	r.Write |= letters & scope.WriteV1
}

// row adds a row.
func (a *ask) row(s scope.Scope) *row {
	r := &row{Context: s.Context, Filter: s.Filter}
	a.rows = append(a.rows, r)
	return r
}

// rank orders rows as the groups do.
func (r *row) rank() int {
	at := int(r.Context) * 1000
	if r.Rest {
		return at + 999
	}
	for _, g := range groups() {
		for _, t := range g.types {
			if r.Types[0] == t {
				return at
			}
			at++
		}
	}
	return at
}

// answer is what the person ticked.
type answer struct {
	see, write map[string]bool         // by the rows' keys
	kinds      map[string]map[int]bool // chosen kinds by the rows' keys; nil: all
	offline    bool
}

// everything is the answer that grants all that is asked.
func (a *ask) everything() answer {
	all := answer{see: make(map[string]bool), write: make(map[string]bool), kinds: make(map[string]map[int]bool), offline: true}
	for _, r := range a.rows {
		all.see[r.Key()], all.write[r.Key()] = r.Read != 0, r.Write != 0
	}
	return all
}

var (
	// errTampered: the form holds what the page does not offer.
	errTampered = errors.New("the form holds what was not offered")
	// errNothing: no row is granted though there are some.
	errNothing = errors.New("nothing was ticked")
)

// noKindsError: a row was to be granted in part, but no part was chosen.
type noKindsError struct{ row *row }

func (e *noKindsError) Error() string { return "no kind was ticked" }

// The fields of the form.
const (
	fieldSee     = "see"
	fieldWrite   = "write"
	fieldKinds   = "kinds:" // and the row's key: "some", or anything else
	fieldKind    = "kind:"  // and the row's key: indexes of kinds
	fieldOffline = "offline"
)

// read reads the form. What the page did not offer is errTampered.
func (a *ask) read(form url.Values) (answer, error) {
	got := answer{see: make(map[string]bool), write: make(map[string]bool), kinds: make(map[string]map[int]bool)}
	got.offline = form.Get(fieldOffline) != ""
	if got.offline && !a.scopes.Has(scope.OfflineAccess) {
		return answer{}, errTampered
	}
	rows := make(map[string]*row, len(a.rows))
	for _, r := range a.rows {
		rows[r.Key()] = r
	}
	for _, key := range form[fieldSee] {
		if r := rows[key]; r == nil || r.Read == 0 {
			return answer{}, errTampered
		}
		got.see[key] = true
	}
	for _, key := range form[fieldWrite] {
		if r := rows[key]; r == nil || r.Write == 0 {
			return answer{}, errTampered
		}
		got.write[key] = true
	}
	for name, values := range form {
		if key, ok := strings.CutPrefix(name, fieldKinds); ok && slices.Contains(values, "some") {
			r := rows[key]
			if r == nil || r.Kinds() == nil {
				return answer{}, errTampered
			}
			chosen, err := readKinds(r, form[fieldKind+key])
			if err != nil {
				return answer{}, err
			}
			got.kinds[key] = chosen
		}
	}
	return got, a.check(got)
}

func readKinds(r *row, values []string) (map[int]bool, error) {
	chosen := make(map[int]bool)
	for _, v := range values {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n >= len(r.Kinds()) {
			return nil, errTampered
		}
		chosen[n] = true
	}
	return chosen, nil
}

// check finds answers that the person should look at again.
func (a *ask) check(got answer) error {
	granted := len(a.rows) == 0
	for _, r := range a.rows {
		key := r.Key()
		if !got.see[key] && !got.write[key] {
			continue
		}
		granted = true
		if chosen, some := got.kinds[key]; some && len(chosen) == 0 {
			return &noKindsError{r}
		}
	}
	if !granted {
		return errNothing
	}
	return nil
}

// granted gives the scopes that an answer grants: never more than is asked. A scope
// that is granted as a whole stays as it was written.
func (a *ask) granted(got answer) scope.Set {
	var all []scope.Scope
	for s := range a.scopes.All() {
		switch {
		case s.Name == scope.OfflineAccess:
			if got.offline {
				all = append(all, s)
			}
		case s.Name != "":
			all = append(all, s)
		default:
			all = append(all, a.part(s, got)...)
		}
	}
	// The rows were made from the scopes; this holds whatever they say.
	return scope.Of(all...).Intersect(a.scopes)
}

// part gives what is granted of one scope.
func (a *ask) part(s scope.Scope, got answer) []scope.Scope {
	var parts []scope.Scope
	whole := true
	for _, r := range a.rows {
		if r.Context != s.Context || r.Filter != s.Filter || (s.Type != "" && !slices.Contains(r.Types, s.Type)) {
			continue
		}
		granted, chosen := got.of(r)
		types := r.Types
		if s.Type != "" {
			types = []fhir.Type{s.Type}
		}
		for _, t := range types {
			letters := s.Letters & granted & a.possible(t)
			whole = whole && letters == s.Letters && chosen == nil
			parts = append(parts, narrowed(scope.Scope{Context: s.Context, Type: t, Letters: letters, Filter: s.Filter}, r, chosen)...)
		}
	}
	if whole && parts != nil {
		return []scope.Scope{s}
	}
	return parts
}

// of gives the permissions that were ticked for a row, and the kinds to which they are
// limited; nil: all.
func (got answer) of(r *row) (letters scope.Letters, chosen map[int]bool) {
	if got.see[r.Key()] {
		letters |= scope.ReadV1
	}
	if got.write[r.Key()] {
		letters |= scope.WriteV1
	}
	return letters, got.kinds[r.Key()]
}

// narrowed gives a scope for each of the kinds that were chosen; nil: the scope itself.
func narrowed(one scope.Scope, r *row, chosen map[int]bool) []scope.Scope {
	if chosen == nil {
		return []scope.Scope{one}
	}
	var parts []scope.Scope
	for i, k := range r.Kinds() {
		if chosen[i] {
			one.Filter = k.filter()
			parts = append(parts, one)
		}
	}
	return parts
}
