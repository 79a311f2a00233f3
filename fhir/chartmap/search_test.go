package chartmap_test

import (
	gocmp "cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/mongo"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
	"github.com/portico-fhir/portico/store/sqlite"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// backend opens a store, and names the database for the EHR's collections.
type backend func(testing.TB) (store.Store, string)

func backends() map[string]backend {
	return map[string]backend{
		"memory": func(testing.TB) (store.Store, string) { return memory.New(), clinic.Database },
		"sqlite": func(t testing.TB) (store.Store, string) {
			s, err := sqlite.Open(t.TempDir(), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return s, clinic.Database
		},
		"mongo": func(t testing.TB) (store.Store, string) {
			uri := mongotest.URI(t)
			s, err := mongo.Open(t.Context(), uri, mongo.Options{Timeout: patience.Limit})
			if err != nil {
				t.Fatal(err)
			}
			return s, mongotest.Database(t, uri)
		},
	}
}

// repositoryOn loads documents into a fresh store and maps them with the demo's
// chart map.
func repositoryOn(t testing.TB, open backend, ops []store.Op) *chartmap.Repository {
	t.Helper()
	return repositoryWith(t, open, demo(t), ops)
}

// repositoryWith moves the chart map's collections to the backend's database.
func repositoryWith(t testing.TB, open backend, m *chartmap.Map, ops []store.Op) *chartmap.Repository {
	t.Helper()
	st, database := open(t)
	t.Cleanup(func() { st.Close() })
	for _, mp := range m.Maps {
		_, name, _ := strings.Cut(mp.Collection, ".")
		mp.Collection = database + "." + name
		if _, name, ok := strings.Cut(mp.Archive, "."); ok {
			mp.Archive = database + "." + name
		}
	}
	for i := range ops {
		ops[i].Collection = database + "." + ops[i].Collection
	}
	for chunk := range slices.Chunk(ops, 500) {
		if err := st.Apply(t.Context(), chunk); err != nil {
			t.Fatal(err)
		}
	}
	return &chartmap.Repository{Store: st, Map: m, Now: clinic.Today}
}

func clinicOps(t testing.TB) []store.Op {
	t.Helper()
	ops, err := clinicDocuments()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(ops)
}

// clinicDocuments reads the demo clinic once.
var clinicDocuments = sync.OnceValues(func() ([]store.Op, error) {
	var ops []store.Op
	for doc, err := range clinic.Documents() {
		if err != nil {
			return nil, err
		}
		ops = append(ops, store.Op{Kind: store.Insert, Collection: doc.Collection, Doc: doc.Body})
	}
	return ops, nil
})

// query draws a query whose values are near those that the resources have.
func (o *oracle) query(rt *rapid.T, params []*fhir.SearchParam) fhir.Expr {
	depth := rapid.IntRange(0, 2).Draw(rt, "depth")
	return o.expr(rt, params, depth)
}

func (o *oracle) expr(rt *rapid.T, params []*fhir.SearchParam, depth int) fhir.Expr {
	if depth > 0 {
		switch rapid.IntRange(0, 3).Draw(rt, "op") {
		case 0:
			return fhir.Not{Expr: o.expr(rt, params, depth-1)}
		case 1:
			return fhir.And{o.expr(rt, params, depth-1), o.expr(rt, params, depth-1)}
		case 2:
			return fhir.Or{o.expr(rt, params, depth-1), o.expr(rt, params, depth-1)}
		}
	}
	return o.term(rt, rapid.SampledFrom(params).Draw(rt, "param"))
}

// term draws a condition on one parameter.
func (o *oracle) term(rt *rapid.T, p *fhir.SearchParam) fhir.Term {
	t := fhir.Term{Param: p}
	if rapid.IntRange(0, 9).Draw(rt, "missing") == 0 {
		t.Modifier, t.Value = fhir.ModMissing, fhir.BoolValue(rapid.Bool().Draw(rt, "is missing"))
		return t
	}
	var one found
	var all [][]found
	for _, vs := range o.values(p) {
		if len(vs) > 0 {
			all = append(all, vs)
		}
	}
	if len(all) > 0 {
		vs := rapid.SampledFrom(all).Draw(rt, "resource")
		one = rapid.SampledFrom(vs).Draw(rt, "value")
	}
	switch p.Type {
	case fhir.ParamToken:
		token := drawToken(rt, one, p.Name == "gender")
		t.Value = token
		switch rapid.IntRange(0, 3).Draw(rt, "as") {
		case 0:
			t.Modifier = o.unequal
		case 1:
			if token.System != "" {
				t.Value = fhir.NewTokenSet([]fhir.TokenValue{token, {System: "urn:none", Code: "x"}})
			}
		}
	case fhir.ParamString:
		t.Modifier, t.Value = drawString(rt, one)
	case fhir.ParamReference:
		t.Value = drawReference(rt, one)
	case fhir.ParamDate:
		t.Prefix, t.Value = drawDate(rt, one)
		if rapid.IntRange(0, 4).Draw(rt, "operator") == 0 {
			t.Prefix = rapid.SampledFrom([]fhir.Prefix{fhir.Contains, fhir.Overlaps}).Draw(rt, "of _filter")
		}
	case fhir.ParamQuantity:
		t.Prefix, t.Value = o.drawQuantity(rt, one)
	case fhir.ParamNumber:
		prefix, v := o.drawQuantity(rt, one)
		t.Prefix, t.Value = prefix, v.NumberValue
	default:
		uri := rapid.SampledFrom([]string{"urn:x", fmt.Sprint(one.json)}).Draw(rt, "uri")
		t.Value = fhir.URIValue(strings.ReplaceAll(uri, "\uFFFD", "x"))
		t.Modifier = rapid.SampledFrom([]fhir.Modifier{"", o.unequal}).Draw(rt, "modifier")
	}
	return t
}

func drawToken(rt *rapid.T, f found, isGender bool) fhir.TokenValue {
	system, code := "", rapid.SampledFrom([]string{"x", "true", "final", "4548-4", "HBA1C", "male", "M"}).Draw(rt, "code")
	switch x := f.json.(type) {
	case bool:
		code = fmt.Sprint(x)
	case string:
		code = x
	case map[string]any:
		if codings, ok := x["coding"].([]any); ok && len(codings) > 0 {
			x = codings[rapid.IntRange(0, len(codings)-1).Draw(rt, "coding")].(map[string]any)
		}
		system, _ = x["system"].(string)
		if c, ok := x["code"].(string); ok {
			code = c
		} else if c, ok := x["value"].(string); ok {
			code = c
		}
	}
	if strings.ContainsRune(code, '\uFFFD') {
		code = "x"
	}
	if strings.ContainsRune(system, '\uFFFD') {
		system = ""
	}
	switch rapid.IntRange(0, 5).Draw(rt, "form") {
	case 0:
		if system != "" {
			return fhir.TokenValue{System: system, Code: code}
		}
	case 1:
		return fhir.TokenValue{Code: code} // without a system, which no code is
	case 2:
		if system != "" {
			return fhir.TokenValue{System: system, AnyCode: true}
		}
	case 3:
		if isGender {
			return fhir.TokenValue{System: gender, Code: code}
		}
	}
	return fhir.TokenValue{Code: code, AnySystem: true}
}

func drawString(rt *rapid.T, f found) (fhir.Modifier, fhir.StringValue) {
	s := rapid.SampledFrom([]string{"a", "SHAW", "oslo", "ø", "\u0301", " "}).Draw(rt, "text")
	if all := texts(f); len(all) > 0 && rapid.IntRange(0, 4).Draw(rt, "known") > 0 {
		s = rapid.SampledFrom(all).Draw(rt, "one")
		r := []rune(s)
		from := rapid.IntRange(0, max(0, len(r)-1)).Draw(rt, "from")
		if rapid.Bool().Draw(rt, "prefix") {
			from = 0
		}
		s = string(r[from:max(from+1, rapid.IntRange(from, len(r)).Draw(rt, "to"))])
		switch rapid.IntRange(0, 2).Draw(rt, "case") {
		case 0:
			s = strings.ToUpper(s)
		case 1:
			s = store.Fold(s)
		}
	}
	if s == "" || strings.ContainsRune(s, '\uFFFD') {
		s = "e"
	}
	m := rapid.SampledFrom([]fhir.Modifier{
		"", fhir.ModExact, fhir.ModContains, fhir.ModEnds, fhir.ModEqual, fhir.ModUnequal, fhir.ModGreater, fhir.ModGreaterEqual, fhir.ModLess, fhir.ModLessEqual,
	}).Draw(rt, "modifier")
	return m, fhir.StringValue(s)
}

func drawReference(rt *rapid.T, f found) fhir.ReferenceValue {
	m, _ := f.json.(map[string]any)
	ref, _ := m["reference"].(string)
	typ, id, ok := strings.Cut(ref, "/")
	if !ok {
		typ, id = "Patient", rapid.SampledFrom([]string{"amy-shaw", "-sx", "5", "0bad00000000000000000001"}).Draw(rt, "id")
	}
	switch rapid.IntRange(0, 5).Draw(rt, "form") {
	case 0:
		return fhir.ReferenceValue{ID: id}
	case 1:
		return fhir.ReferenceValue{URL: "https://other.example/" + ref}
	case 2:
		return fhir.ReferenceValue{Type: "RelatedPerson", ID: id}
	}
	return fhir.ReferenceValue{Type: fhir.Type(typ), ID: id}
}

func drawDate(rt *rapid.T, f found) (fhir.Prefix, fhir.DateValue) {
	s := rapid.SampledFrom([]string{"2026", "2025-11", "1991-05-12", "2026-06-01T08:00:00Z", "0001", "9999-12-31"}).Draw(rt, "date")
	switch x := f.json.(type) {
	case string:
		s = x
	case map[string]any:
		if start, ok := x["start"].(string); ok {
			s = start
		}
	}
	cuts := []int{4, 7, 10}
	if len(s) >= 19 {
		cuts = append(cuts, 16, 19)
	}
	cuts = append(cuts, len(s))
	if n := rapid.SampledFrom(cuts).Draw(rt, "precision"); n <= len(s) {
		s = s[:n]
	}
	if len(s) == 19 && rapid.Bool().Draw(rt, "fraction") {
		s += rapid.SampledFrom([]string{".0", ".000", ".5", ".1234", ".999999"}).Draw(rt, "digits")
	}
	if len(s) >= 19 && !strings.ContainsAny(s[19:], "Z+-") && rapid.Bool().Draw(rt, "zone") {
		s += rapid.SampledFrom([]string{"Z", "+02:00", "-11:30"}).Draw(rt, "offset")
	}
	d, err := fhir.ParseDate(s)
	if err != nil {
		rt.Fatalf("%q: %v", s, err)
	}
	return drawPrefix(rt), fhir.DateValue{Date: d}
}

func drawPrefix(rt *rapid.T) fhir.Prefix {
	return rapid.SampledFrom([]fhir.Prefix{"", fhir.EQ, fhir.NE, fhir.GT, fhir.LT, fhir.GE, fhir.LE, fhir.SA, fhir.EB, fhir.AP}).Draw(rt, "prefix")
}

// sortBy draws sort keys.
func sortBy(rt *rapid.T, c fhir.Capability) (keys []fhir.SortKey) {
	for range rapid.IntRange(0, min(3, len(c.Sortable))).Draw(rt, "keys") {
		name := rapid.SampledFrom(c.Sortable).Draw(rt, "sort")
		i := slices.IndexFunc(c.Params, func(p *fhir.SearchParam) bool { return p.Name == name })
		if i < 0 {
			rt.Fatalf("%s can be sorted by, but not searched", name)
		}
		if !slices.ContainsFunc(keys, func(k fhir.SortKey) bool { return k.Param == c.Params[i] }) {
			keys = append(keys, fhir.SortKey{Param: c.Params[i], Desc: rapid.Bool().Draw(rt, "desc")})
		}
	}
	return keys
}

// compare holds one random search against the oracle.
func (o *oracle) compare(rt *rapid.T, r *chartmap.Repository, typ fhir.Type, counts []int) {
	c := r.Describe(typ)
	q := fhir.Query{Type: typ, Where: o.query(rt, c.Params), Sort: sortBy(rt, c), Total: true, Count: rapid.SampledFrom(counts).Draw(rt, "count")}
	for len(q.Sort) > 1 && tooMuch(r.Search(o.t.Context(), &fhir.Query{Type: typ, Sort: q.Sort, Count: 1})) {
		q.Sort = q.Sort[:len(q.Sort)-1]
	}
	got := everything(o.t.Context(), rt, r, q)
	want := o.search(q.Where)
	ids := make([]string, len(got))
	for i, res := range got {
		ids[i] = res.ID
	}
	o.ordered(rt, got, q.Sort)
	slices.Sort(ids)
	if diff := cmp.Diff(want, ids, cmpopts.EquateEmpty()); diff != "" {
		rt.Fatalf("%s where %s: the store finds (+) other than the resources say (-):\n%s", typ, show(q.Where), diff)
	}
	page, err := r.Search(o.t.Context(), &fhir.Query{Type: typ, Where: q.Where})
	if err != nil || page.Total == nil || int(*page.Total) != len(want) {
		rt.Fatalf("%s where %s: total %v, %v; %d match", typ, show(q.Where), page.Total, err, len(want))
	}
}

// tooMuch reports whether a search is refused for the work that its order would be.
func tooMuch(_ fhir.Page, err error) bool {
	var e *fhir.Error
	return errors.As(err, &e) && (e.Code() == fhir.CodeTooCostly || e.Code() == fhir.CodeNotSupported)
}

// ordered checks that resources are in the order of the keys, each of which puts those
// without a value last.
func (o *oracle) ordered(rt *rapid.T, got []fhir.Resource, sort []fhir.SortKey) {
	index := map[string]int{}
	for i, r := range o.resources {
		index[r.ID] = i
	}
	for i := 1; i < len(got); i++ {
		for _, k := range sort {
			if k.Param.Name == "_id" {
				break // the EHR's keys decide, which ids only stand for
			}
			a, b := o.marks(k.Param, index[got[i-1].ID]), o.marks(k.Param, index[got[i].ID])
			c, same := gocmp.Compare(len(b), len(a)), len(a) == len(b)
			if len(a) > 0 && len(b) > 0 {
				c, same = o.compareMarks(a[0], b[0])
				if k.Desc {
					c = -c
				}
			}
			if c > 0 {
				rt.Fatalf("sorted by %s: %s (%v) comes before %s (%v)", showSort(sort), got[i-1].ID, a, got[i].ID, b)
			}
			if !same {
				break
			}
		}
	}
}

func showSort(sort []fhir.SortKey) (s string) {
	for _, k := range sort {
		s += fmt.Sprintf(" %s descending %t", k.Param.Name, k.Desc)
	}
	return s
}

// marks gives the one value, if any, by which a resource sorts.
func (o *oracle) marks(p *fhir.SearchParam, resource int) (out []found) {
	for _, f := range o.values(p)[resource] {
		m, isObject := f.json.(map[string]any)
		switch {
		case f.typ == "CodeableConcept":
			codings, _ := m["coding"].([]any)
			for _, c := range codings {
				if code, ok := c.(map[string]any)["code"]; ok {
					out = append(out, found{typ: "code", json: code})
				}
			}
		case f.typ == "HumanName" || f.typ == "Address":
			for _, text := range texts(f) {
				out = append(out, found{typ: "string", json: text})
			}
		case isObject:
			for _, name := range []string{"code", "value", "start"} { // one of them has an order
				if v, ok := m[name]; ok && (name != "code" || f.typ == "Coding") {
					out = append(out, found{typ: map[string]string{"start": "date"}[name], json: v})
				}
			}
		default:
			out = append(out, f)
		}
	}
	if len(out) > 1 {
		o.t.Errorf("%s sorts by %s, which is there %d times", o.resources[resource].Key, p.Name, len(out))
	}
	return out
}

// compareMarks compares two values; same is false where they are not one and the same for
// the EHR, as dates of another precision are not.
func (o *oracle) compareMarks(a, b found) (c int, same bool) {
	same = fmt.Sprint(a.json) == fmt.Sprint(b.json)
	switch v := a.json.(type) {
	case float64:
		return gocmp.Compare(v, b.json.(float64)), same
	case bool:
		return gocmp.Compare(fmt.Sprint(v), fmt.Sprint(b.json)), same
	}
	x, y := a.json.(string), b.json.(string)
	switch {
	case strings.ContainsRune(x+y, '\uFFFD'):
		return 0, false // the EHR has something else there
	case a.typ == "date" || a.typ == "dateTime" || a.typ == "instant":
		from, _, _ := o.span(a)
		to, _, _ := o.span(b)
		return from.Compare(to), same
	}
	return gocmp.Compare(x, y), same
}

func show(e fhir.Expr) string {
	switch e := e.(type) {
	case fhir.And:
		return "and" + showAll(e)
	case fhir.Or:
		return "or" + showAll(e)
	case fhir.Not:
		return "not(" + show(e.Expr) + ")"
	case fhir.Term:
		return fmt.Sprintf("%s:%s=%s%+v", e.Param.Name, e.Modifier, e.Prefix, e.Value)
	}
	return "all"
}

func showAll(es []fhir.Expr) string {
	var parts []string
	for _, e := range es {
		parts = append(parts, show(e))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// thinned keeps a few documents of each collection.
func thinned(ops []store.Op) []store.Op {
	var out []store.Op
	n := map[string]int{}
	for _, op := range ops {
		if n[op.Collection]++; n[op.Collection]%20 < 2 {
			out = append(out, op)
		}
	}
	return out
}

// TestPushedDownSearchIsBruteForce is the law of the chart map: what the store
// finds is what reading every resource finds.
func TestPushedDownSearchIsBruteForce(t *testing.T) {
	t.Parallel()
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ops := clinicOps(t)
			if name == "mongo" && !mongotest.Real() {
				ops = thinned(ops) // the test server answers slowly
			}
			r := repositoryOn(t, open, ops)
			for _, typ := range r.Map.Types() {
				all := everything(t.Context(), t, r, fhir.Query{Type: typ, Count: 10_000})
				o := newOracle(t, r, all)
				counts := []int{max(1, len(all)/7), 50 + len(all)/3, 10_000}
				rapid.Check(t, func(rt *rapid.T) { o.compare(rt, r, typ, counts) })
			}
		})
	}
}
