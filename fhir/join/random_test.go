package join

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

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
		{`"hasMember":[%s]`, false, []fhir.Type{"Observation"}, []string{"has-member"}},
	},
	"Group": {{`"managingEntity":%s`, true, []fhir.Type{"Organization"}, []string{"managing-entity"}}},
}

var worldTypes = []fhir.Type{"Encounter", "Group", "Observation", "Organization", "Patient"}

// link is one reference: the parameters that see it, and the resource of this
// server that it leads to.
type link struct {
	params []string
	to     fhir.Key
}

type thing struct {
	key   fhir.Key
	label string
	links []link
}

// follows reports whether the thing refers to a resource by the parameter.
func (x *thing) follows(param string, to fhir.Key) bool {
	return slices.ContainsFunc(x.links, func(l link) bool {
		// The parameters called patient see only patients.
		return l.to == to && slices.Contains(l.params, param) && (param != "patient" || to.Type == "Patient")
	})
}

type world []*thing

func genWorld(t *rapid.T) (world, *fake) {
	var w world
	for _, typ := range worldTypes {
		for i := range rapid.IntRange(0, 4).Draw(t, "number of "+string(typ)) {
			w = append(w, &thing{key: fhir.Key{Type: typ, ID: fmt.Sprintf("x%d", i)}, label: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "label")})
		}
	}
	f := &fake{resources: make(map[fhir.Type][]fhir.Resource)}
	for _, x := range w {
		parts := []string{fmt.Sprintf(`"resourceType":"%s","id":"%s","identifier":[{"value":"%s"}]`, x.key.Type, x.key.ID, x.label)}
		for _, e := range elements[x.key.Type] {
			most := 3
			if e.single {
				most = 1
			}
			var refs []string
			for range rapid.IntRange(0, most).Draw(t, "references") {
				refs = append(refs, genReference(t, x, e))
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
func genReference(t *rapid.T, x *thing, e element) string {
	to := fhir.Key{Type: rapid.SampledFrom(e.targets).Draw(t, "target"), ID: fmt.Sprintf("x%d", rapid.IntRange(0, 4).Draw(t, "id"))}
	form := rapid.SampledFrom([]string{"%s", "%s", base + "/%s", "%s/_history/2", "https://other.example/fhir/%s", "#%s"}).Draw(t, "form")
	if form[0] != '#' && !strings.HasPrefix(form, "https://other") {
		x.links = append(x.links, link{e.params, to})
	}
	if form[0] == '#' {
		return `{"reference":"#x0"}`
	}
	return fmt.Sprintf(`{"reference":"`+form+`"}`, to)
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
func genExpr(t *rapid.T, typ fhir.Type, depth int) fhir.Expr {
	kinds := []string{"label"}
	if depth > 0 {
		kinds = []string{"label", "id", "and", "or", "not", "chain", "chain", "has", "has"}
	}
	few := func() []fhir.Expr {
		var all []fhir.Expr
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			all = append(all, genExpr(t, typ, depth-1))
		}
		return all
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "id":
		p, _ := search.Lookup(typ, "_id")
		return fhir.Term{Param: p, Value: fhir.TokenValue{Code: fmt.Sprintf("x%d", rapid.IntRange(0, 4).Draw(t, "id")), AnySystem: true}}
	case "and":
		return fhir.And(few())
	case "or":
		return fhir.Or(few())
	case "not":
		return fhir.Not{Expr: genExpr(t, typ, depth-1)}
	case "chain":
		p := rapid.SampledFrom(paramsOf(typ)).Draw(t, "param")
		target := rapid.SampledFrom(p.targets).Draw(t, "target")
		return fhir.Chain{Param: p.SearchParam, Target: target, Where: genExpr(t, target, depth-1)}
	case "has":
		var all []fhir.Has
		for _, source := range worldTypes {
			for _, p := range paramsOf(source) {
				if slices.Contains(p.targets, typ) {
					all = append(all, fhir.Has{Source: source, Param: p.SearchParam})
				}
			}
		}
		h := rapid.SampledFrom(all).Draw(t, "has")
		h.Where = genExpr(t, h.Source, depth-1)
		return h
	}
	p, _ := search.Lookup(typ, "identifier")
	return fhir.Term{Param: p, Value: fhir.TokenValue{Code: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "label"), AnySystem: true}}
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
			return y.key.Type == e.Target && x.follows(e.Param.Name, y.key) && w.holds(y, e.Where)
		})
	case fhir.Has:
		return slices.ContainsFunc(w, func(y *thing) bool {
			return y.key.Type == e.Source && y.follows(e.Param.Name, x.key) && w.holds(y, e.Where)
		})
	}
	panic(fmt.Sprintf("%T", e))
}

func genIncludes(t *rapid.T) []fhir.Include {
	var all []fhir.Include
	for range rapid.IntRange(0, 3).Draw(t, "includes") {
		in := fhir.Include{
			Source:  rapid.SampledFrom(worldTypes).Draw(t, "source"),
			Reverse: rapid.Bool().Draw(t, "reverse"),
			Iterate: rapid.Bool().Draw(t, "iterate"),
		}
		switch rapid.IntRange(0, 3).Draw(t, "what") {
		case 0:
			if !in.Reverse {
				in.Source = ""
			}
		case 1:
			in.Target = rapid.SampledFrom(worldTypes).Draw(t, "target")
			fallthrough
		default:
			in.Param = rapid.SampledFrom(paramsOf(in.Source)).Draw(t, "param").SearchParam
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
		return (in.Param == nil || in.Param == p.SearchParam) && x.follows(p.Name, y.key)
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
	rapid.Check(t, func(t *rapid.T) {
		w, f := genWorld(t)
		q := &fhir.Query{Type: rapid.SampledFrom(worldTypes).Draw(t, "type"), Count: rapid.IntRange(1, 6).Draw(t, "count"), Total: true}
		q.Where = genExpr(t, q.Type, 3)
		q.Include = genIncludes(t)
		r := &Repository{Inner: f, Base: base, few: rapid.IntRange(1, 3).Draw(t, "few")}
		var want []*thing
		for _, x := range w { // sorted by type and id
			if x.key.Type == q.Type && w.holds(x, q.Where) {
				want = append(want, x)
			}
		}
		var got int
		for {
			page, err := r.Search(t.Context(), q)
			if err != nil {
				t.Fatalf("%#v: %v", q.Where, err)
			}
			if *page.Total != int64(len(want)) {
				t.Fatalf("total %d, want %d", *page.Total, len(want))
			}
			if len(page.Resources) > len(want)-got {
				t.Fatalf("found %s too many", ids(page.Resources))
			}
			matches := want[got : got+len(page.Resources)]
			for i, res := range page.Resources {
				if res.Key != matches[i].key {
					t.Fatalf("found %s, want %s", res.Key, matches[i].key)
				}
			}
			var keys []string
			for _, res := range page.Included {
				keys = append(keys, res.String())
			}
			if wanted := w.included(matches, q.Include); !slices.Equal(keys, wanted) {
				t.Fatalf("included %v, want %v", keys, wanted)
			}
			got += len(page.Resources)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		if got != len(want) {
			t.Fatalf("found %d, want %d", got, len(want))
		}
	})
}
