package chartmap_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/testdata/clinic"
)

var transitions = regexp.MustCompile(`(?m)^  transitions:.*\n(?:    .*\n)*`)

// writable are the chart maps with every map open to every change, without
// workflow, which would refuse most random changes.
func writable(t testing.TB, name, unmapped string) *chartmap.Map {
	t.Helper()
	data, path := clinic.ChartMap(), "chart.yaml"
	if name != "clinic" {
		path = map[string]string{"every": "testdata/every/chart.yaml", "praxis": "../../examples/praxis/chart.yaml"}[name]
		var err error
		if data, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	text := string(data)
	for old, by := range map[string]string{
		"unmapped: overflow": "unmapped: " + unmapped, "unmapped: reject": "unmapped: " + unmapped,
		"writable: false": "writable: [create, update, delete]", "review: [name]": "writable: [create, update, delete]",
		"valueDateTime: { $from: at, $as: dateTime }": "valueDateTime: { $from: at, $as: dateTime, $write: derived }",
		"$once: true": "$once: false",
		"low: { $quantity: norm.von, $unitFrom: einheit }, high: { $quantity: norm.bis, $unitFrom: einheit }": "low: { $quantity: norm.von, $unitFrom: einheit, $write: derived }, high: { $quantity: norm.bis, $unitFrom: einheit, $write: derived }",
		"low: { $quantity: lo, $unitFrom: unit }, high: { $quantity: hi, $unitFrom: unit }":                   "low: { $quantity: lo, $unitFrom: unit, $write: derived }, high: { $quantity: hi, $unitFrom: unit, $write: derived }",
		"actor: { $list1: { $ref: Practitioner, $from: _id } }":                                               "actor: { $list1: { $ref: Practitioner, $from: _id, $write: derived } }",
	} {
		text = strings.ReplaceAll(text, old, by)
	}
	text = transitions.ReplaceAllString(text, "")
	m, err := chartmap.Load([]byte(text), path)
	if err != nil {
		t.Fatalf("\n%v", err)
	}
	return m
}

// counting is a store that counts what is applied.
type counting struct {
	store.Store
	n atomic.Int64
}

func (c *counting) Apply(ctx context.Context, ops []store.Op) error {
	c.n.Add(1)
	return c.Store.Apply(ctx, ops)
}

// dump gives all documents of the EHR.
func dump(t testing.TB, r *chartmap.Repository) map[string]store.Doc {
	t.Helper()
	out := map[string]store.Doc{}
	for _, m := range r.Map.Maps {
		for doc, err := range r.Store.Find(t.Context(), store.Query{Collection: m.Collection}) {
			if err != nil {
				t.Fatal(err)
			}
			out[m.Collection+" "+store.ID(doc).String()] = doc
		}
	}
	return out
}

// TestLensLaws holds the laws on documents as they should be, and as no application
// would write them: what was read and is written back changes nothing; what is
// written and read is what was written; what is refused changes nothing; and what
// no rule reads stays as it was.
func TestLensLaws(t *testing.T) {
	t.Parallel()
	sizes := map[string]int{"memory": 20, "sqlite": 8, "mongo": 4}
	for name, open := range backends() {
		for _, chart := range []string{"every", "clinic", "praxis"} {
			for _, unmapped := range []string{"overflow", "reject"} {
				t.Run(name+"/"+chart+"/"+unmapped, func(t *testing.T) {
					t.Parallel()
					seed := seedOf(t)
					rnd := rand.New(rand.NewPCG(seed, 0))
					from := map[string]func(testing.TB) map[string][]bson.D{"every": samples, "clinic": clinicSamples, "praxis": praxisSamples}[chart]
					r := repositoryWith(t, open, writable(t, chart, unmapped), randomOps(t, rnd, from(t), sizes[name]))
					now := clinic.Today()
					r.Now = func() time.Time { return now }
					l := &laws{T: t, r: r, rnd: rnd, counted: &counting{Store: r.Store}}
					r.Store = l.counted
					l.check()
				})
			}
		}
	}
}

// laws holds the laws on one repository.
type laws struct {
	*testing.T
	r                 *chartmap.Repository
	rnd               *rand.Rand
	counted           *counting
	accepted, refused int
	created           int
	derived           []string // elements that a client may leave out, and reads again
	arrays            []string // whose elements are resources
}

func (l *laws) check() {
	l.Helper()
	creates := false
	for _, typ := range l.r.Map.Types() {
		can := l.r.Describe(typ)
		if !can.Update {
			continue
		}
		all := everything(l.Context(), l, l.r, fhir.Query{Type: typ, Count: 1000})
		for _, res := range all {
			l.unchanged(res)
		}
		for _, res := range all {
			if can.Create {
				creates = true
				l.create(res)
			}
		}
		for _, res := range all {
			for range 3 {
				l.change(res.Key, all)
			}
		}
	}
	l.Logf("%d changes accepted, %d refused; %d created", l.accepted, l.refused, l.created)
	if l.accepted == 0 || creates && l.created == 0 || l.refused == 0 && l.accepted > 50 {
		l.Errorf("%d changes accepted and %d refused: the test shows little", l.accepted, l.refused)
	}
}

// unchanged is the first law: putting back what was read writes nothing.
func (l *laws) unchanged(res fhir.Resource) {
	l.Helper()
	before := l.counted.n.Load()
	results, err := l.r.Commit(l.Context(), []fhir.Change{{Method: fhir.Put, Key: res.Key, Body: res.Body, IfMatch: res.Version}})
	if errors.Is(err, chartmap.ErrReadOnly) {
		return
	}
	if err != nil {
		l.Errorf("putting back %s: %v\n%s", res.Key, err, res.Body)
		return
	}
	if results[0].Status != fhir.Unchanged || l.counted.n.Load() != before || !bytes.Equal(results[0].Resource.Body, res.Body) {
		l.Errorf("putting back %s: status %d, %d writes\n got %s\nwant %s", res.Key, results[0].Status, l.counted.n.Load()-before, results[0].Resource.Body, res.Body)
	}
}

// create makes another of a resource: what is read of it is what was written, and no
// other document changes.
func (l *laws) create(res fhir.Resource) {
	l.Helper()
	before := dump(l, l.r)
	results, err := l.r.Commit(l.Context(), []fhir.Change{{Method: fhir.Create, Key: fhir.Key{Type: res.Type}, Body: res.Body}})
	after := dump(l, l.r)
	if err != nil {
		var told *fhir.Error
		if same, diff := sameDocs(before, after); !errors.As(err, &told) || told.Err != nil || !same {
			l.Errorf("creating %s: %v, changed %s", res.Body, err, diff)
		}
		return
	}
	l.created++
	got, err := l.r.Read(l.Context(), results[0].Resource.Key)
	if err != nil {
		l.Fatalf("after creating %s: %v\n%s", results[0].Resource.Key, err, res.Body)
	}
	want := content(l, res.Body)
	if res.Type == "Schedule" {
		delete(want, "actor") // is the document itself
	}
	if at := missing(content(l, got.Body), want, ""); at != "" && !strings.Contains(at, "actor is there again") {
		l.Errorf("creating: %s\n got %s\nwant %s", at, got.Body, res.Body)
	}
	for id := range before {
		if !bytes.Equal(before[id], after[id]) {
			l.Errorf("creating %s changed %s", got.Key, id)
		}
	}
	if len(after) != len(before)+1 {
		l.Errorf("creating %s made %d documents", got.Key, len(after)-len(before))
	}
	l.unchanged(got)
}

// change tries a random change of a resource, others of its type lending their parts.
func (l *laws) change(key fhir.Key, all []fhir.Resource) {
	l.Helper()
	res, err := l.r.Read(l.Context(), key)
	if err != nil {
		return // deleted, or no longer of this type
	}
	m := tree(l, res.Body)
	for range 1 + l.rnd.IntN(3) {
		l.edit(m, tree(l, all[l.rnd.IntN(len(all))].Body))
	}
	body := encoded(l, m)
	v := schema.Validator{}
	if _, err := v.Validate(body, key.Type); err != nil {
		return
	}
	before := dump(l, l.r)
	results, err := l.r.Commit(l.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: body}})
	after := dump(l, l.r)
	if errors.Is(err, chartmap.ErrReadOnly) {
		return
	}
	if err != nil {
		l.refused++
		var told *fhir.Error
		if !errors.As(err, &told) || told.Err != nil {
			l.Fatalf("changing %s: %v\nto %s\nwas %s", key, err, body, res.Body)
		}
		if same, diff := sameDocs(before, after); !same {
			l.Errorf("a refused change of %s changed %s", key, diff)
		}
		return
	}
	l.accepted++
	got, err := l.r.Read(l.Context(), key)
	if err != nil {
		l.Fatalf("after changing %s: %v\n%s", key, err, body)
	}
	is, want := content(l, got.Body), content(l, body)
	for _, name := range l.derived {
		if want[name] == nil {
			delete(is, name)
		}
	}
	if len(l.derived) > 0 {
		unlabeled(is)
		unlabeled(want)
	}
	if at := missing(is, want, ""); at != "" {
		l.Errorf("changing %s: %s\n got %s\nwant %s\n was %s", key, at, got.Body, body, res.Body)
	}
	if !bytes.Equal(got.Body, results[0].Resource.Body) || got.Version != results[0].Resource.Version {
		l.Errorf("changing %s: answered %s\nread %s", key, results[0].Resource.Body, got.Body)
	}
	if (results[0].Status == fhir.Unchanged) != bytes.Equal(got.Body, res.Body) || (got.Version != res.Version) != (results[0].Status == fhir.Updated) {
		l.Errorf("changing %s: status %d, version %s after %s\n got %s\n was %s", key, results[0].Status, got.Version, res.Version, got.Body, res.Body)
	}
	l.minimal(key, before, after, content(l, res.Body), content(l, body))
	l.unchanged(got)
}

// minimal checks that one document changed at most, and of it only the fields of
// elements that are to be something else: not what no rule reads, nor what no rule can
// read.
func (l *laws) minimal(key fhir.Key, before, after map[string]store.Doc, was, want map[string]any) {
	l.Helper()
	allowed := []string{"rev", "upd", "v", "version", "geaendert"}
	if !reflect.DeepEqual(was["start"], want["start"]) {
		allowed = append(allowed, "mins", "minuten") // so that the end stays
	}
	for _, m := range l.r.Map.Maps {
		for _, rule := range m.Rules {
			_, name, _ := strings.Cut(rule.Path, ".")
			if m.Resource == key.Type && !reflect.DeepEqual(was[name], want[name]) {
				for _, f := range rule.Fields {
					top, _, _ := strings.Cut(f, ".")
					allowed = append(allowed, top)
				}
			}
		}
	}
	for _, path := range l.arrays {
		top, _, _ := strings.Cut(path, ".")
		allowed = append(allowed, top)
	}
	changed := 0
	for id, doc := range after {
		if bytes.Equal(doc, before[id]) {
			continue
		}
		changed++
		for _, path := range l.arrays {
			l.oneElement(key, store.Lookup(before[id], path), store.Lookup(doc, path))
		}
		names := fields(l, before[id])
		maps.Copy(names, fields(l, doc))
		for name := range names {
			if !slices.Contains(allowed, name) && !bytes.Equal(store.Lookup(before[id], name).Value, store.Lookup(doc, name).Value) {
				l.Errorf("changing %s changed the field %q\nto %v\nwas %v\n%v\n%v", key, name, want, was, before[id], doc)
			}
		}
	}
	if changed > 1 || len(before) != len(after) {
		l.Errorf("changing %s changed %d documents", key, changed)
	}
}

// unlabeled takes the security labels off, which are the EHR's.
func unlabeled(m map[string]any) {
	meta, _ := m["meta"].(map[string]any)
	if delete(meta, "security"); len(meta) == 0 {
		delete(m, "meta")
	}
}

// oneElement checks that of an array at most the element of the resource is another.
func (l *laws) oneElement(key fhir.Key, before, after bson.RawValue) {
	l.Helper()
	if before.Type != bson.TypeArray {
		if !bytes.Equal(before.Value, after.Value) {
			l.Errorf("changing %s changed %v to %v", key, before, after)
		}
		return
	}
	was, err1 := before.Array().Values()
	is, err2 := after.Array().Values()
	if err1 != nil || err2 != nil || len(was) != len(is) {
		l.Errorf("changing %s made %d elements of %d", key, len(is), len(was))
		return
	}
	changed := 0
	for i := range was {
		if !is[i].Equal(was[i]) {
			changed++
		}
	}
	if changed > 1 {
		l.Errorf("changing %s changed %d elements", key, changed)
	}
}

func fields(t failer, doc store.Doc) map[string]bson.RawValue {
	t.Helper()
	out := map[string]bson.RawValue{}
	if doc == nil {
		return out
	}
	elements, err := doc.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range elements {
		out[e.Key()] = e.Value()
	}
	return out
}

func sameDocs(a, b map[string]store.Doc) (bool, string) {
	for id := range b {
		if !bytes.Equal(a[id], b[id]) {
			return false, id
		}
	}
	return len(a) == len(b), "their number"
}

// edit changes something in a resource, part of which may come from another.
func (l *laws) edit(m, other map[string]any) {
	names := func(m map[string]any) []string {
		var out []string
		for k := range m {
			if k != "resourceType" && k != "id" && k != "meta" {
				out = append(out, k)
			}
		}
		slices.Sort(out)
		return out
	}
	own, theirs := names(m), names(other)
	switch l.rnd.IntN(8) {
	case 0, 1:
		if len(theirs) > 0 {
			k := theirs[l.rnd.IntN(len(theirs))]
			m[k] = clone(other[k])
		}
	case 2:
		if len(own) > 0 {
			delete(m, own[l.rnd.IntN(len(own))])
		}
	case 3:
		switch l.rnd.IntN(3) {
		case 0:
			m["language"] = "nb"
		case 1:
			m["text"] = map[string]any{"status": "additional", "div": `<div xmlns="http://www.w3.org/1999/xhtml">x</div>`}
		default:
			m["meta"] = map[string]any{"tag": []any{map[string]any{"code": "t"}}}
		}
	case 4:
		m["extension"] = []any{map[string]any{"url": "urn:x", "valueString": fmt.Sprint(l.rnd.IntN(3))}}
	default:
		if len(own) > 0 {
			k := own[l.rnd.IntN(len(own))]
			m[k] = l.within(m[k], other[k])
			if m[k] == nil {
				delete(m, k)
			}
		}
	}
}

func clone(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		panic(err)
	}
	return out
}

// within changes something below an element.
func (l *laws) within(v, other any) any {
	switch v := v.(type) {
	case map[string]any:
		o, _ := other.(map[string]any)
		if l.rnd.IntN(5) == 0 {
			v["extension"] = []any{map[string]any{"url": "urn:y", "valueInteger": json.Number("1")}}
			return v
		}
		l.edit(v, o)
	case []any:
		o, _ := other.([]any)
		i := l.rnd.IntN(len(v))
		switch l.rnd.IntN(6) {
		case 0:
			v = slices.Delete(v, i, i+1)
		case 1:
			v = append(v, clone(v[i]))
		case 2:
			if len(o) > 0 {
				v = append(v, clone(o[l.rnd.IntN(len(o))]))
			}
		case 3:
			l.rnd.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
		default:
			var lent any
			if len(o) > 0 {
				lent = o[l.rnd.IntN(len(o))]
			}
			if v[i] = l.within(v[i], lent); v[i] == nil {
				v = slices.Delete(v, i, i+1)
			}
		}
		if len(v) == 0 {
			return nil
		}
		return v
	case string:
		if o, ok := other.(string); ok && l.rnd.IntN(2) == 0 {
			return o
		}
		return v + string(rune('a'+l.rnd.IntN(3)))
	case json.Number:
		if o, ok := other.(json.Number); ok && l.rnd.IntN(2) == 0 {
			return o
		}
		return json.Number([]string{"0", "17", "3.25", "-2", "1e3"}[l.rnd.IntN(5)])
	case bool:
		return !v
	}
	return v
}

// missing says where got does not say what want does. What a chart map gives by itself
// (constants, defaults, what follows from other elements) may be more than was
// wanted.
func missing(got, want any, at string) string {
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return at + " is no object"
		}
		for k, w := range want {
			if strings.HasPrefix(k, "_") && want[k[1:]] == nil && g[k[1:]] != nil && strings.Contains(fmt.Sprint(w), "data-absent") {
				continue // it was read, and now there is a value by itself
			}
			if k == "valueDateTime" {
				continue // is derived in one of them
			}
			if k == "status" && strings.Contains(at, "participant") || at == ".meta" && k == "security" {
				continue // what was read may be sent back
			}
			if p := missing(g[k], w, at+"."+k); p != "" && !strings.Contains(p, ".display is") && !strings.Contains(p, ".unit is") {
				return p
			}
		}
		for k := range g {
			if want[k] == nil && !given(g[k]) && !strings.HasSuffix(at, "uantity") && at+"."+k != ".code.text" && !strings.HasPrefix(k, "value") {
				return fmt.Sprintf("%s.%s is there again: %v", at, k, g[k])
			}
		}
		return ""
	case []any:
		g, _ := got.([]any)
		problem, i := at+" is shorter", 0
		for _, item := range g {
			if i < len(want) {
				p := missing(item, want[i], fmt.Sprintf("%s[%d]", at, i))
				if p == "" {
					i++
					continue
				}
				problem = p
			}
			if !given(item) {
				return problem
			}
		}
		if i < len(want) {
			return problem
		}
		return ""
	case json.Number:
		a, err1 := want.Float64()
		g, _ := got.(json.Number)
		b, err2 := g.Float64()
		if err1 == nil && err2 == nil && (a == b || (a-b)/a < 1e-12 && (b-a)/a < 1e-12) {
			return ""
		}
	case string:
		g, _ := got.(string)
		x, err1 := time.Parse(time.RFC3339Nano, want)
		y, err2 := time.Parse(time.RFC3339Nano, g)
		if g == want || err1 == nil && err2 == nil && x.UnixMilli() == y.UnixMilli() {
			return ""
		}
	default:
		if got == want {
			return ""
		}
	}
	return fmt.Sprintf("%s is %v, not %v", at, got, want)
}

// given reports whether a value is one that the chart maps of this test give by
// themselves.
func given(v any) bool {
	switch v := v.(type) {
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !given(e) })
	case map[string]any:
		for _, e := range v {
			if !given(e) {
				return false
			}
		}
		return true
	case bool:
		return true // active, doNotPerform
	case string:
		return slices.Contains([]string{
			"active", "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "official", "old", "usual", "secondary", "nickname", "phone", "email", "mobile", "work", "US", "NO", "DE", "GKV", "problem-list-item", "http://terminology.hl7.org/CodeSystem/condition-category", "maiden", "http://fhir.de/sid/gkv/kvid-10", "http://fhir.de/CodeSystem/identifier-type-de-basis", "Nomen", "seealso", "instance",
			"accepted", "declined", "tentative", "needs-action", "final", "unknown", "order", "proposal", "completed",
			"urn:c", "c1", "c2", "C", "urn:m", "a", "vital-signs", "Vital Signs", "laboratory", "Laboratory",
			"http://terminology.hl7.org/CodeSystem/observation-category", "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
			"http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "L", "M", "N", "R", "V", "PSY", "released", "http://terminology.hl7.org/CodeSystem/v3-ActCode", "HIV", "urn:l", "kin",
			"urn:oid:2.16.578.1.12.4.1.4.1", "urn:oid:2.16.578.1.12.4.1.4.4", "urn:clinic:mrn", "urn:clinic:account", "urn:clinic:lab-order", "http://www.whocc.no/atc", "urn:parcel",
			"http://fhir.de/CodeSystem/bfarm/atc", "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "http://fhir.de/CodeSystem/ifa/pzn", "https://fhir.kbv.de/NamingSystem/KBV_NS_Base_ANR",
		}, v)
	}
	return false
}
