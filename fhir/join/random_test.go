package join

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// The world of the property test: resources that are but a label and links. The
// naive evaluator knows the links, never their JSON.

// element is where a type refers to others, and the search parameters that look
// there.
type element struct {
	format  string // of the element's JSON; %s is the list of references
	single  bool   // takes but one reference
	targets []fhir.Type
	params  []string
}

// canonical reports whether it holds canonicals instead of References.
func (e element) canonical() bool { return e.targets[0] == "Questionnaire" }

var elements = map[fhir.Type][]element{
	"Patient": {
		{`"generalPractitioner":[%s]`, false, []fhir.Type{"Organization"}, []string{"general-practitioner"}},
		{`"managingOrganization":%s`, true, []fhir.Type{"Organization"}, []string{"organization"}},
		{`"link":[{"type":"seealso","other":%s}]`, true, []fhir.Type{"Patient"}, []string{"link"}},
	},
	"Organization": {{`"partOf":%s`, true, []fhir.Type{"Organization"}, []string{"partof"}}},
	"Encounter": {
		{`"subject":%s`, true, []fhir.Type{"Patient", "Group"}, []string{"subject", "patient"}},
		{`"partOf":%s`, true, []fhir.Type{"Encounter"}, []string{"part-of"}},
	},
	"Observation": {
		{`"subject":%s`, true, []fhir.Type{"Patient", "Group"}, []string{"subject", "patient"}},
		{`"encounter":%s`, true, []fhir.Type{"Encounter"}, []string{"encounter"}},
		{`"performer":[%s]`, false, []fhir.Type{"Organization", "Patient"}, []string{"performer"}},
		{`"hasMember":[%s]`, false, []fhir.Type{"Observation", "QuestionnaireResponse"}, []string{"has-member"}},
	},
	"QuestionnaireResponse": {
		{`"questionnaire":%s`, true, []fhir.Type{"Questionnaire"}, []string{"questionnaire"}},
		{`"subject":%s`, true, []fhir.Type{"Patient"}, []string{"subject", "patient"}},
	},
	"Group": {{`"managingEntity":%s`, true, []fhir.Type{"Organization"}, []string{"managing-entity"}}},
}

var worldTypes = []fhir.Type{"Encounter", "Group", "Observation", "Organization", "Patient", "Questionnaire", "QuestionnaireResponse"}

// link is one reference: the parameters that see it, and the resource of this
// server that it leads to, or the canonical URL.
type link struct {
	params       []string
	to           fhir.Key
	url, version string
}

type thing struct {
	key          fhir.Key
	label        string
	url, version string
	links        []link
}

func (l link) leadsTo(x *thing) bool {
	if l.url == "" {
		return l.to == x.key
	}
	return l.url == x.url && (l.version == "" || l.version == x.version)
}

// follows reports whether the thing refers to a resource by the parameter.
func (x *thing) follows(param string, to *thing) bool {
	return slices.ContainsFunc(x.links, func(l link) bool {
		// The parameters called patient see only patients.
		return l.leadsTo(to) && slices.Contains(l.params, param) && (param != "patient" || to.key.Type == "Patient")
	})
}

type world []*thing

// dice make one world after another, the same ones each time.
type dice struct {
	*rand.Rand
	dense bool                      // much refers to something
	made  map[fhir.Type][]fhir.Expr // chains and _has so far, to be used again
}

func newDice(seed uint64) dice {
	return dice{Rand: rand.New(rand.NewPCG(seed, 0)), made: make(map[fhir.Type][]fhir.Expr)}
}

func (d dice) between(low, high int) int { return low + d.IntN(high-low+1) }

func (d dice) coin() bool { return d.IntN(2) == 0 }

func oneOf[T any](d dice, all []T) T { return all[d.IntN(len(all))] }

func genWorld(d dice) (world, *fake) {
	var w world
	least, most, fewest := 2, 6, 0
	if d.dense {
		least, most, fewest = 6, 9, 1
	}
	for _, typ := range worldTypes {
		for i := range d.between(least, most) {
			w = append(w, &thing{key: fhir.Key{Type: typ, ID: fmt.Sprintf("x%d", i)}, label: oneOf(d, []string{"a", "b", "c"})})
		}
	}
	f := &fake{resources: make(map[fhir.Type][]fhir.Resource)}
	for _, x := range w {
		parts := []string{fmt.Sprintf(`"resourceType":"%s","id":"%s","identifier":[{"value":"%s"}]`, x.key.Type, x.key.ID, x.label)}
		if x.key.Type == "Questionnaire" {
			x.url, x.version = oneOf(d, []string{"", "http://q.example/u1", "http://q.example/u2"}), oneOf(d, []string{"", "1", "2"})
			if x.url != "" {
				parts = append(parts, `"url":"`+x.url+`"`)
			}
			if x.version != "" {
				parts = append(parts, `"version":"`+x.version+`"`)
			}
		}
		for _, e := range elements[x.key.Type] {
			most := 3
			if e.single {
				most = 1
			}
			var refs []string
			for range d.between(fewest, most) {
				refs = append(refs, genReference(d, x, e))
			}
			if len(refs) > 0 {
				parts = append(parts, fmt.Sprintf(e.format, strings.Join(refs, ",")))
			}
		}
		f.put(fhir.Resource{Key: x.key, Body: []byte("{" + strings.Join(parts, ",") + "}")})
	}
	return w, f
}

// genReference writes a reference in one of the forms there are, to something
// that may not exist, and notes where it leads.
func genReference(d dice, x *thing, e element) string {
	to := fhir.Key{Type: oneOf(d, e.targets), ID: fmt.Sprintf("x%d", d.between(0, 6))}
	if e.canonical() && d.coin() {
		l := link{params: e.params, url: oneOf(d, []string{"http://q.example/u1", "http://q.example/u2"}), version: oneOf(d, []string{"", "1", "2"})}
		x.links = append(x.links, l)
		return `"` + strings.TrimSuffix(l.url+"|"+l.version, "|") + `"`
	}
	form := oneOf(d, []string{"%s", "%s", base + "/%s", "%s/_history/2", "https://other.example/fhir/%s", "#%s"})
	if form[0] != '#' && !strings.HasPrefix(form, "https://other") {
		x.links = append(x.links, link{params: e.params, to: to})
	}
	text := fmt.Sprintf(form, to)
	if form[0] == '#' {
		text = "#x0"
	}
	if e.canonical() {
		return `"` + text + `"`
	}
	return `{"reference":"` + text + `"}`
}

// param is a reference parameter and the types that it may lead to.
type param struct {
	*fhir.SearchParam
	targets []fhir.Type
}

func paramsOf(t fhir.Type) []param {
	var all []param
	for _, e := range elements[t] {
		for _, name := range e.params {
			p, ok := search.Lookup(t, name)
			if !ok {
				panic(string(t) + "." + name)
			}
			targets := e.targets
			if name == "patient" {
				targets = []fhir.Type{"Patient"}
			}
			all = append(all, param{p, targets})
		}
	}
	return all
}

// genExpr makes a condition on a type.
func genExpr(d dice, typ fhir.Type, depth int) fhir.Expr {
	kinds := []string{"label"}
	if depth > 0 {
		kinds = []string{"label", "id", "and", "or", "not", "chain", "chain", "has", "has"}
	}
	if typ == "Questionnaire" { // refers to nothing
		kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "chain" })
	}
	few := func() []fhir.Expr {
		var all []fhir.Expr
		for range d.between(1, 3) {
			all = append(all, genExpr(d, typ, depth-1))
		}
		return all
	}
	if made := d.made[typ]; len(made) > 0 && d.between(1, 3) == 1 {
		return oneOf(d, made)
	}
	switch oneOf(d, kinds) {
	case "id":
		p, _ := search.Lookup(typ, "_id")
		return fhir.Term{Param: p, Value: fhir.TokenValue{Code: fmt.Sprintf("x%d", d.between(0, 6)), AnySystem: true}}
	case "and":
		return fhir.And(few())
	case "or":
		return fhir.Or(few())
	case "not":
		return fhir.Not{Expr: genExpr(d, typ, depth-1)}
	case "chain":
		p := oneOf(d, paramsOf(typ))
		target := oneOf(d, p.targets)
		c := fhir.Chain{Param: p.SearchParam, Target: target, Where: genExpr(d, target, depth-1)}
		d.made[typ] = append(d.made[typ], c)
		return c
	case "has":
		var all []fhir.Has
		for _, source := range worldTypes {
			for _, p := range paramsOf(source) {
				if slices.Contains(p.targets, typ) {
					all = append(all, fhir.Has{Source: source, Param: p.SearchParam})
				}
			}
		}
		h := oneOf(d, all)
		h.Where = genExpr(d, h.Source, depth-1)
		d.made[typ] = append(d.made[typ], h)
		return h
	}
	p, _ := search.Lookup(typ, "identifier")
	return fhir.Term{Param: p, Value: fhir.TokenValue{Code: oneOf(d, []string{"a", "b", "c", "d"}), AnySystem: true}}
}

func genQuery(d dice) *fhir.Query {
	q := &fhir.Query{Type: oneOf(d, worldTypes), Count: d.between(1, 6), Total: true}
	q.Where = genExpr(d, q.Type, d.between(1, 3))
	q.Include = genIncludes(d, q.Type)
	return q
}

// holds is what a condition means.
func (w world) holds(x *thing, e fhir.Expr) bool {
	switch e := e.(type) {
	case fhir.And:
		return !slices.ContainsFunc(e, func(part fhir.Expr) bool { return !w.holds(x, part) })
	case fhir.Or:
		return slices.ContainsFunc(e, func(part fhir.Expr) bool { return w.holds(x, part) })
	case fhir.Not:
		return !w.holds(x, e.Expr)
	case fhir.Term:
		code := e.Value.(fhir.TokenValue).Code
		return code == x.label || code == x.key.ID
	case fhir.Chain:
		return slices.ContainsFunc(w, func(y *thing) bool {
			return y.key.Type == e.Target && x.follows(e.Param.Name, y) && w.holds(y, e.Where)
		})
	case fhir.Has:
		return slices.ContainsFunc(w, func(y *thing) bool {
			return y.key.Type == e.Source && y.follows(e.Param.Name, x) && w.holds(y, e.Where)
		})
	}
	panic(fmt.Sprintf("%T", e))
}

func genIncludes(d dice, t fhir.Type) []fhir.Include {
	var all []fhir.Include
	for range d.between(0, 4) {
		in := fhir.Include{
			Source:  oneOf(d, append(worldTypes, t, t)),
			Reverse: d.coin(),
			Iterate: d.coin(),
		}
		switch n := d.between(0, 3); {
		case in.Source == "Questionnaire": // refers to nothing
		case n == 0:
			if !in.Reverse {
				in.Source = ""
			}
		case n == 1:
			in.Target = oneOf(d, worldTypes)
			fallthrough
		default:
			in.Param = oneOf(d, paramsOf(in.Source)).SearchParam
		}
		all = append(all, in)
	}
	return all
}

// leads reports whether an include goes from x to y.
func leads(in fhir.Include, x, y *thing) bool {
	if in.Reverse {
		x, y = y, x
	}
	if in.Source != "" && in.Source != x.key.Type || in.Target != "" && in.Target != y.key.Type {
		return false
	}
	return slices.ContainsFunc(paramsOf(x.key.Type), func(p param) bool {
		return (in.Param == nil || in.Param == p.SearchParam) && x.follows(p.Name, y)
	})
}

// included adds things until nothing is missing.
func (w world) included(matches []*thing, includes []fhir.Include) []string {
	in := slices.Clone(matches)
	for grown := true; grown; {
		grown = false
		for _, y := range w {
			if slices.Contains(in, y) {
				continue
			}
			if slices.ContainsFunc(in, func(x *thing) bool {
				return slices.ContainsFunc(includes, func(i fhir.Include) bool {
					return leads(i, x, y) && (i.Iterate || slices.Contains(matches, x))
				})
			}) {
				in, grown = append(in, y), true
			}
		}
	}
	var keys []string
	for _, y := range w {
		if slices.Contains(in, y) && !slices.Contains(matches, y) {
			keys = append(keys, y.key.String())
		}
	}
	return keys
}

func TestSearchesMeanWhatANaiveEvaluatorSays(t *testing.T) {
	t.Parallel()
	found, left, included := 0, 0, 0
	for seed := range uint64(4000) {
		d := newDice(seed)
		w, f := genWorld(d)
		q := genQuery(d)
		r := &Repository{Inner: f, Base: base, few: d.between(1, 3)}
		n, more, err := w.compare(t.Context(), r, q)
		if err != nil {
			t.Fatalf("seed %d: %v\n%#v\n%+v", seed, err, q.Where, q.Include)
		}
		found, left, included = found+n, left+len(f.resources[q.Type])-n, included+more
	}
	t.Logf("%d found, %d left out, %d included", found, left, included)
}

// compare runs a search page by page and says what is wrong with it.
func (w world) compare(ctx context.Context, r fhir.Repository, q *fhir.Query) (found, included int, err error) {
	var want []*thing
	for _, x := range w { // sorted by type and id
		if x.key.Type == q.Type && w.holds(x, q.Where) {
			want = append(want, x)
		}
	}
	for {
		page, err := r.Search(ctx, q)
		switch {
		case err != nil:
			return 0, 0, err
		case *page.Total != int64(len(want)):
			return 0, 0, fmt.Errorf("total %d, want %d", *page.Total, len(want))
		case len(page.Resources) > len(want)-found:
			return 0, 0, fmt.Errorf("found %s too many", ids(page.Resources))
		}
		matches := want[found : found+len(page.Resources)]
		for i, res := range page.Resources {
			if res.Key != matches[i].key {
				return 0, 0, fmt.Errorf("found %s, want %s", res.Key, matches[i].key)
			}
		}
		var keys []string
		for _, res := range page.Included {
			keys = append(keys, res.String())
		}
		if wanted := w.included(matches, q.Include); !slices.Equal(keys, wanted) {
			return 0, 0, fmt.Errorf("included %v with %v, want %v", keys, ids(page.Resources), wanted)
		}
		found += len(page.Resources)
		included += len(page.Included)
		if q.Cursor = page.Next; q.Cursor == "" && found < len(want) {
			return 0, 0, fmt.Errorf("found %d, want %d", found, len(want))
		}
		if q.Cursor == "" {
			return found, included, nil
		}
	}
}
