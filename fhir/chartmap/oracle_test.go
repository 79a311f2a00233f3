package chartmap_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/mongo"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// oracle answers queries by looking at every mapped resource. It shares nothing
// with the compiler but the definitions of the parameters: expressions go
// through fhir/path, values through encoding/json.
type oracle struct {
	t         testing.TB
	resources []fhir.Resource
	roots     []path.Item
	found     map[*fhir.SearchParam][][]found // by resource
	loc       *time.Location
	now       time.Time
	unequal   fhir.Modifier // ModUnequal where the store knows what it becomes
}

// found is one value that an expression yields.
type found struct {
	typ  string
	json any
	raw  []byte
}

func newOracle(t testing.TB, r *chartmap.Repository, all []fhir.Resource) *oracle {
	o := &oracle{t: t, resources: all, found: map[*fhir.SearchParam][][]found{}, loc: r.Map.Location, now: clinic.Today(), unequal: fhir.ModUnequal}
	if _, ok := r.Store.(*mongo.Store); ok && !mongotest.Real() {
		o.unequal = "" // the test server has no $and in $elemMatch
	}
	for _, r := range all {
		doc, err := path.NewDoc(r.Body, schema.Model{})
		if err != nil {
			t.Fatalf("%s: %v", r.Key, err)
		}
		o.roots = append(o.roots, doc.Root())
	}
	return o
}

// values evaluates the parameter on all resources, once.
func (o *oracle) values(p *fhir.SearchParam) [][]found {
	if v, ok := o.found[p]; ok {
		return v
	}
	expr, err := path.Parse(p.Expression)
	if err != nil {
		o.t.Fatalf("%s: %v", p.Name, err)
	}
	out := make([][]found, len(o.roots))
	for i, root := range o.roots {
		items, err := expr.Eval(&path.Env{}, root)
		if err != nil {
			o.t.Fatalf("%s on %s: %v", p.Name, o.resources[i].Key, err)
		}
		for _, it := range items {
			if len(it.JSON()) == 0 {
				continue // only extensions
			}
			f := found{typ: it.Type(), raw: it.JSON()}
			if err := json.Unmarshal(it.JSON(), &f.json); err != nil {
				o.t.Fatal(err)
			}
			if m, ok := f.json.(map[string]any); ok && len(m) == 1 && m["extension"] != nil {
				continue // a data-absent-reason
			}
			out[i] = append(out[i], f)
		}
	}
	o.found[p] = out
	return out
}

// search gives the ids of what matches.
func (o *oracle) search(e fhir.Expr) []string {
	var ids []string
	for i, r := range o.resources {
		if o.matches(i, e) {
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func (o *oracle) matches(i int, e fhir.Expr) bool {
	switch e := e.(type) {
	case fhir.And:
		return !slices.ContainsFunc(e, func(e fhir.Expr) bool { return !o.matches(i, e) })
	case fhir.Or:
		return slices.ContainsFunc(e, func(e fhir.Expr) bool { return o.matches(i, e) })
	case fhir.Not:
		return !o.matches(i, e.Expr)
	case fhir.Term:
		vs := o.values(e.Param)[i]
		if e.Modifier == fhir.ModMissing {
			return (len(vs) == 0) == bool(e.Value.(fhir.BoolValue))
		}
		return slices.ContainsFunc(vs, func(f found) bool { return o.satisfies(f, e) })
	}
	return true
}

func (o *oracle) satisfies(f found, t fhir.Term) bool {
	switch v := t.Value.(type) {
	case fhir.TokenValue:
		if t.Modifier == fhir.ModUnequal {
			return otherToken(f, v)
		}
		return token(f, v)
	case fhir.TokenSet:
		return slices.ContainsFunc(v.Tokens(), func(v fhir.TokenValue) bool { return token(f, v) })
	case fhir.StringValue:
		return slices.ContainsFunc(texts(f), func(s string) bool { return textMatches(s, string(v), t.Modifier) })
	case fhir.ReferenceValue:
		m, _ := f.json.(map[string]any)
		ref, _ := m["reference"].(string)
		typ, id, _ := strings.Cut(ref, "/")
		return v.URL == "" && id == v.ID && (v.Type == "" || string(v.Type) == typ)
	case fhir.DateValue:
		low, high, ok := o.span(f)
		return ok && o.dateMatches(low, high, t.Prefix, v)
	case fhir.URIValue:
		return (f.json == string(v)) != (t.Modifier == fhir.ModUnequal)
	case fhir.NumberValue:
		return o.quantity(f).satisfies(t.Prefix, fhir.QuantityValue{NumberValue: v})
	case fhir.QuantityValue:
		return o.quantity(f).satisfies(t.Prefix, v)
	}
	o.t.Fatalf("no oracle for a %T", t.Value)
	return false
}

// otherToken reports whether a code of the value is another one.
func otherToken(f found, v fhir.TokenValue) bool {
	if x, ok := f.json.(map[string]any); ok && f.typ == "CodeableConcept" {
		codings, _ := x["coding"].([]any)
		return slices.ContainsFunc(codings, func(c any) bool { return otherToken(found{typ: "Coding", json: c}, v) })
	}
	if x, ok := f.json.(map[string]any); ok && x["code"] == nil && x["value"] == nil {
		return false
	}
	return !token(f, v)
}

func token(f found, v fhir.TokenValue) bool {
	system, code := "", ""
	switch x := f.json.(type) {
	case bool:
		code = map[bool]string{true: "true", false: "false"}[x]
	case string:
		code = x
		if f.typ == "code" {
			// The oracle knows the systems of the codes it is tried with.
			system = map[string]string{
				"male": gender, "female": gender, "other": gender, "unknown": gender,
			}[x]
			if system == "" {
				system = "one of R4's own"
			}
		}
	case map[string]any:
		if f.typ == "CodeableConcept" {
			codings, _ := x["coding"].([]any)
			return slices.ContainsFunc(codings, func(c any) bool { return token(found{typ: "Coding", json: c}, v) })
		}
		system, _ = x["system"].(string)
		code, _ = x["code"].(string)
		if f.typ == "Identifier" || f.typ == "ContactPoint" {
			code, _ = x["value"].(string)
		}
		if f.typ == "ContactPoint" {
			system = ""
		}
	}
	return (v.AnySystem || v.System == system) && (v.AnyCode || v.Code == code)
}

const gender = "http://hl7.org/fhir/administrative-gender"

// texts are the parts of a value that a string search looks at.
func texts(f found) []string {
	var names []string
	switch f.typ {
	case "HumanName":
		names = []string{"family", "given", "prefix", "suffix", "text"}
	case "Address":
		names = []string{"text", "line", "city", "district", "state", "postalCode", "country"}
	}
	if s, ok := f.json.(string); ok {
		return []string{s}
	}
	var out []string
	m, _ := f.json.(map[string]any)
	for _, n := range names {
		switch x := m[n].(type) {
		case string:
			out = append(out, x)
		case []any:
			for _, s := range x {
				out = append(out, s.(string))
			}
		}
	}
	return out
}

func textMatches(s, want string, m fhir.Modifier) bool {
	switch m {
	case fhir.ModExact:
		return s == want
	case fhir.ModContains:
		return strings.Contains(store.Fold(s), store.Fold(want))
	case fhir.ModEnds:
		return strings.HasSuffix(store.Fold(s), store.Fold(want))
	case fhir.ModEqual:
		return store.Fold(s) == store.Fold(want)
	case fhir.ModUnequal:
		return store.Fold(s) != store.Fold(want)
	case fhir.ModGreater:
		return store.Fold(s) > store.Fold(want)
	case fhir.ModGreaterEqual:
		return store.Fold(s) >= store.Fold(want)
	case fhir.ModLess:
		return store.Fold(s) < store.Fold(want)
	case fhir.ModLessEqual:
		return store.Fold(s) <= store.Fold(want)
	}
	return strings.HasPrefix(store.Fold(s), store.Fold(want))
}

func (o *oracle) span(f found) (low, high time.Time, ok bool) {
	if m, isPeriod := f.json.(map[string]any); isPeriod {
		low, high = time.Unix(-1<<40, 0), time.Unix(1<<40, 0)
		if s, ok := m["start"].(string); ok {
			low, _, _ = o.span(found{json: s})
		}
		if s, ok := m["end"].(string); ok {
			_, high, _ = o.span(found{json: s})
		}
		return low, high, true
	}
	s, _ := f.json.(string)
	d, err := fhir.ParseDate(s)
	if err != nil {
		o.t.Fatalf("a mapped resource has the date %q", s)
	}
	low, high = d.Range(o.loc)
	return low, high, true
}

// dateMatches is R4 3.1.1.4.3, word by word.
func (o *oracle) dateMatches(low, high time.Time, p fhir.Prefix, v fhir.DateValue) bool {
	from, to := v.Range(o.loc)
	contained := !low.Before(from) && !high.After(to)
	above, below := high.After(to), low.Before(from)
	switch p {
	case fhir.NE:
		return !contained
	case fhir.GT:
		return above
	case fhir.LT:
		return below
	case fhir.GE:
		return above || contained
	case fhir.LE:
		return below || contained
	case fhir.SA:
		return !low.Before(to)
	case fhir.EB:
		return !high.After(from)
	case fhir.Overlaps:
		return low.Before(to) && high.After(from)
	case fhir.Contains:
		return !low.After(from) && !high.Before(to)
	case fhir.AP:
		gap := o.now.Sub(from).Abs() / 10
		return low.Before(to.Add(gap)) && high.After(from.Add(-gap))
	}
	return contained
}
