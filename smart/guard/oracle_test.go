package guard_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/store/sqlite"
	"github.com/portico-fhir/portico/store/storetest/backends"
	ehr "github.com/portico-fhir/portico/testdata/clinic"
)

var (
	requests = flag.Int("guard.requests", 0, "how many random requests the oracle test asks of each store; 0: a few thousand")
	seed     = flag.Uint64("guard.seed", 1, "seed of the oracle test")
)

// TestOracle asks at random, and holds each answer against what the naive evaluator
// says is visible.
func TestOracle(t *testing.T) {
	t.Parallel()
	for name, openStore := range backends.All() {
		t.Run("E4 E5 E6 E7 E9 "+name, func(t *testing.T) {
			t.Parallel()
			patients, n := 200, 5000
			switch {
			case name == "mongo":
				patients, n = 20, 300
			case name == "memory":
				patients, n = 40, 1500
			}
			if testing.Short() {
				n /= 10
			}
			if *requests > 0 && name != "mongo" {
				n = *requests
			}
			w := newWorld(*seed, patients, 25)
			if name != "sqlite" {
				w = newWorld(*seed, patients, 6)
			}
			c := open(t, w, openStore(t))
			c.populate(t)
			rnd := rand.New(rand.NewPCG(*seed, 2))
			o := &oracle{clinic: c, rnd: rnd}
			start := time.Now()
			for range n {
				o.one(t)
				if t.Failed() {
					return
				}
			}
			t.Logf("%d requests, %v each; %v", n, time.Since(start)/time.Duration(n), o.kinds)
		})
	}
}

// TestOracleOverAnEHR asks the demo clinic, whose resources are documents of its own.
func TestOracleOverAnEHR(t *testing.T) {
	t.Parallel()
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	fillDemo(t, st)
	mapped := demo(t)
	mapped.Store = st
	inner := &router.Router{Mapped: mapped, Records: &record.Repository{Store: st, Base: base, Now: ehr.Today}}
	w := worldOf(t, inner, mapped.Map.Types())
	w.now, w.release = ehr.Today(), true
	c := serve(t, w, inner)
	c.populate(t)
	o := &oracle{clinic: c, rnd: rand.New(rand.NewPCG(*seed, 2))}
	n := max(200, *requests/10)
	for range n {
		o.one(t)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d requests; %v", n, o.kinds)
}

// oracle asks.
type oracle struct {
	*clinic
	rnd   *rand.Rand
	kinds map[string]int // of requests, and what came of them
	mine  map[string][]fhir.Key
}

func (o *oracle) count(kind string, status int) {
	if o.kinds == nil {
		o.kinds = make(map[string]int)
	}
	o.kinds[fmt.Sprintf("%s %d", kind, status)]++
}

// one makes one random request and checks the answer.
func (o *oracle) one(t testing.TB) {
	t.Helper()
	k := pick(o.rnd, o.tokens)
	key := pick(o.rnd, o.keys)
	if o.rnd.IntN(2) == 0 { // something of the patient's own
		if own := o.own(k); len(own) > 0 {
			key = pick(o.rnd, own)
		}
	}
	switch o.rnd.IntN(14) {
	case 13:
		o.filter(t, k, key.Type)
	case 12:
		o.write(t, k, key)
	case 0, 1:
		o.read(t, k, key, "")
	case 2:
		o.read(t, k, key, pick(o.rnd, []string{"/_history/1", "/_history", "/_history/999", "/$meta"}))
	case 3:
		o.plain(t, k, key.Type)
	case 4:
		o.chain(t, k, key.Type)
	case 5:
		o.has(t, k, key.Type)
	case 6:
		o.batch(t, k)
	case 7:
		o.several(t, k, key)
	default:
		o.search(t, k, key.Type)
	}
}

// own lists what a patient or proxy can find of the record.
func (o *oracle) own(k *token) []fhir.Key {
	if o.mine == nil {
		o.mine = make(map[string][]fhir.Key)
	}
	if have, ok := o.mine[k.name]; ok {
		return have
	}
	var all []fhir.Key
	for _, key := range o.keys {
		if o.sees(k, key, "r") || o.sees(k, key, "s") {
			all = append(all, key)
		}
	}
	o.mine[k.name] = all
	return all
}

// read asks for one resource, or a version of it.
func (o *oracle) read(t testing.TB, k *token, key fhir.Key, what string) {
	t.Helper()
	kind := what
	if version := o.version[key]; what == "/_history/1" && version != "" {
		what = "/_history/" + version
	}
	a := o.ask(t, k, "GET", key.String()+what, "")
	o.count("read"+kind, a.status)
	visible := o.sees(k, key, "r")
	want := http.StatusNotFound
	switch {
	case !k.has(key.Type, "r"):
		want = http.StatusForbidden
	case visible && what != "/_history/999":
		want = http.StatusOK
	}
	if a.status != want && !(what == "/$meta" && a.status == http.StatusNotFound) {
		t.Errorf("%s GET %s%s: %d, want %d: %.300s", k.describe(), key, what, a.status, want, a.body)
	}
	o.only(t, k, "GET "+key.String()+what, a, "r")
	if want == http.StatusNotFound && !visible {
		ghost := fhir.Key{Type: key.Type, ID: "never-was"}
		if b := o.ask(t, k, "GET", ghost.String()+what, ""); b.status != a.status || string(a.body) != string(b.body) || !maps.EqualFunc(stable(a.header), stable(b.header), slices.Equal) {
			t.Errorf("E9 %s GET %s%s is told apart from what does not exist:\n%s\n%s", k.describe(), key, what, a.body, b.body)
		}
	}
}

// stable leaves out the headers that differ between any two answers.
func stable(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range []string{"X-Request-Id", "Date"} {
		h.Del(name)
	}
	return h
}

func (k *token) describe() string {
	return fmt.Sprintf("%s (%s %s %s %s: %s)", k.name, k.kind, k.id, k.actor, k.column, k.scopes)
}

// only checks that an answer has nothing that is not visible.
func (o *oracle) only(t testing.TB, k *token, what string, a answer, letter string) {
	t.Helper()
	for _, key := range a.found {
		if !o.sees(k, key, letter) {
			t.Errorf("%s %s: shows %s", k.describe(), what, key)
		}
	}
	for _, key := range a.added {
		if !o.sees(k, key, "s") {
			t.Errorf("E6 %s %s: includes %s", k.describe(), what, key)
		}
	}
	for _, body := range a.shared {
		if of := o.strangers(k, body); of != nil {
			t.Errorf("E9 %s %s: tells of %v in %.300s", k.describe(), what, of, body)
		}
	}
}

// strangers lists the patients named in a resource of several records of whom the caller
// sees no record.
func (o *oracle) strangers(k *token, raw []byte) (all []string) {
	var body map[string]any
	if k.kind == access.System || json.Unmarshal(raw, &body) != nil {
		return nil
	}
	var elements []map[string]any
	walk(body, apart[fhir.Type(body["resourceType"].(string))], &elements)
	for _, e := range elements {
		id, ok := local(e, "Patient")
		if related, is := local(e, "RelatedPerson"); is {
			var of []map[string]any
			walk(o.bodies[fhir.Key{Type: "RelatedPerson", ID: related}], []string{"patient"}, &of)
			for _, e := range of {
				id, ok = local(e, "Patient")
			}
			ok = ok && k.actor != related
		}
		if ok && id != k.id && !(k.kind == access.Clinician && o.treated(k.id)[id]) {
			all = append(all, id)
		}
	}
	return all
}

// maxPages bounds how far the test goes on.
const maxPages = 100

// follow gets all pages of a search.
func (o *oracle) follow(t testing.TB, k *token, path string) (found []fhir.Key, first answer) {
	t.Helper()
	first = o.ask(t, k, "GET", path, "")
	a := first
	for pages := 0; ; pages++ {
		o.only(t, k, path, a, "s")
		found = append(found, a.found...)
		if a.next == "" || a.status != http.StatusOK {
			return found, first
		}
		if pages == maxPages {
			first.total = nil // too many to see whether it is right
			return found, first
		}
		if pages == 0 && o.rnd.IntN(4) == 0 {
			other := pick(o.rnd, o.tokens)
			if b := o.ask(t, other, "GET", a.next, ""); b.status == http.StatusOK && other != k {
				t.Errorf("E6 %s goes on with the page of %s: %s", other.describe(), k.describe(), a.next)
			}
		}
		a = o.ask(t, k, "GET", a.next, "")
	}
}

// visible lists what of a type a search can find, and satisfies more.
func (o *oracle) visible(k *token, t fhir.Type, more func(fhir.Key) bool) []string {
	var all []string
	for _, id := range o.ids[t] {
		key := fhir.Key{Type: t, ID: id}
		if o.sees(k, key, "s") && (more == nil || more(key)) {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all
}

// findable reports whether a search that does not say so finds what is visible: a
// Provenance only by a patient whom it is about, since it is in the record through what
// else it is about.
func (o *oracle) findable(k *token, key fhir.Key) bool {
	if key.Type != "Provenance" || k.kind == access.System {
		return true
	}
	return slices.ContainsFunc(o.patient, func(p string) bool { return o.refers(key, []string{"target"}, fhir.Key{Type: "Patient", ID: p}) })
}

// exactly checks that a search finds just what it should.
func (o *oracle) exactly(t testing.TB, k *token, path string, typ fhir.Type, more func(fhir.Key) bool) {
	t.Helper()
	found, first := o.follow(t, k, path)
	o.count("search", first.status)
	if !k.has(typ, "s") {
		if first.status != http.StatusForbidden {
			t.Errorf("E2 %s %s: %d: %.300s", k.describe(), path, first.status, first.body)
		}
		return
	}
	if first.status != http.StatusOK {
		t.Errorf("%s %s: %d: %.300s", k.describe(), path, first.status, first.body)
		return
	}
	var got []string
	for _, key := range found {
		got = append(got, key.ID)
	}
	slices.Sort(got)
	want := o.visible(k, typ, func(key fhir.Key) bool {
		return (more == nil || more(key)) && (strings.Contains(path, "target") || o.findable(k, key))
	})
	if !slices.Equal(got, want) {
		t.Errorf("E4 %s %s\nfinds %v\nwant  %v", k.describe(), path, got, want)
	}
	if strings.Contains(path, "_total") && (first.total == nil || *first.total != len(want)) {
		t.Errorf("E9 %s %s: total %v, want %d", k.describe(), path, first.total, len(want))
	}
}

// plain asks for all of a type.
func (o *oracle) plain(t testing.TB, k *token, typ fhir.Type) {
	t.Helper()
	switch o.rnd.IntN(3) {
	case 0:
		o.exactly(t, k, fmt.Sprintf("%s?_count=%d&_total=accurate&_sort=%s", typ, max(1+o.rnd.IntN(60), len(o.ids[typ])/50), pick(o.rnd, []string{"_id", "-_id"})), typ, nil)
	case 1:
		a := o.ask(t, k, "GET", string(typ)+"?_summary=count", "")
		o.count("count", a.status)
		if want := len(o.visible(k, typ, func(key fhir.Key) bool { return o.findable(k, key) })); k.has(typ, "s") && (a.total == nil || *a.total != want) {
			t.Errorf("E9 %s %s: total %v, want %d: %.200s", k.describe(), typ, a.total, want, a.body)
		}
	default:
		id := o.any(typ)
		o.exactly(t, k, string(typ)+"?_id="+id+",never-was&_total=accurate", typ, func(key fhir.Key) bool { return key.ID == id })
	}
}

// referring picks a reference parameter of a type that the test can evaluate.
func (o *oracle) referring(typ fhir.Type) (p *fhir.SearchParam, path []string, target fhir.Type) {
	var all []*fhir.SearchParam
	more := []fhir.Type{"PractitionerRole", "Organization", "Location", "Schedule", "Slot", "Group", "Task", "GuidanceResponse"}
	if recordOf[string(typ)] == nil && !slices.Contains(more, typ) {
		return nil, nil, "" // among others what refers by canonicals, which this does not know
	}
	canonical := []string{"instantiates-canonical", "measure", "questionnaire", "definition"}
	for _, p := range o.guard.Describe(typ).Params {
		if _, ok := simple(typ, p); ok && p.Type == fhir.ParamReference && !slices.Contains(canonical, p.Name) && len(p.Targets) > 0 && !strings.Contains(p.Expression, "resolve()") && !strings.Contains(p.Expression, "|") {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return nil, nil, ""
	}
	p = pick(o.rnd, all)
	path, _ = simple(typ, p)
	target = pick(o.rnd, p.Targets)
	if slices.Contains(p.Targets, "Patient") && o.rnd.IntN(2) == 0 {
		target = "Patient"
	}
	return p, path, target
}

// refers reports whether a resource refers to another at a path.
func (o *oracle) refers(from fhir.Key, path []string, to fhir.Key) bool {
	var all []map[string]any
	walk(o.bodies[from], path, &all)
	return slices.ContainsFunc(all, func(e map[string]any) bool {
		id, ok := local(e, string(to.Type))
		return ok && id == to.ID
	})
}

// chain asks by what a resource refers to: that counts only if it can be searched.
func (o *oracle) chain(t testing.TB, k *token, typ fhir.Type) {
	t.Helper()
	p, path, target := o.referring(typ)
	if p == nil {
		return
	}
	to := fhir.Key{Type: target, ID: o.any(target)}
	url := fmt.Sprintf("%s?%s:%s._id=%s&_total=accurate", typ, p.Name, target, to.ID)
	if !k.has(target, "s") {
		a := o.ask(t, k, "GET", url, "")
		o.count("chain", a.status)
		if a.status != http.StatusForbidden {
			t.Errorf("E7 %s %s: %d: %.300s", k.describe(), url, a.status, a.body)
		}
		return
	}
	o.exactly(t, k, url, typ, func(key fhir.Key) bool { return o.sees(k, to, "s") && o.refers(key, path, to) })
}

// has asks by what refers to a resource: that counts only if it can be searched.
func (o *oracle) has(t testing.TB, k *token, source fhir.Type) {
	t.Helper()
	p, path, target := o.referring(source)
	if p == nil {
		return
	}
	from := fhir.Key{Type: source, ID: o.any(source)}
	url := fmt.Sprintf("%s?_has:%s:%s:_id=%s&_total=accurate", target, source, p.Name, from.ID)
	if !k.has(source, "s") {
		a := o.ask(t, k, "GET", url, "")
		o.count("has", a.status)
		if a.status != http.StatusForbidden {
			t.Errorf("E7 %s %s: %d: %.300s", k.describe(), url, a.status, a.body)
		}
		return
	}
	o.exactly(t, k, url, target, func(key fhir.Key) bool { return o.sees(k, from, "s") && o.refers(from, path, key) })
}

// named picks what a parameter may refer to, often the patient of the token.
func (o *oracle) named(k *token, p *fhir.SearchParam) string {
	target := pick(o.rnd, p.Targets)
	if slices.Contains(p.Targets, "Patient") && o.rnd.IntN(2) == 0 {
		target = "Patient"
		if slices.Contains(o.patient, k.id) && o.rnd.IntN(2) == 0 {
			return "Patient/" + k.id
		}
	}
	return string(target) + "/" + o.any(target)
}

// search asks by all sorts of parameters; what is found is at least visible.
func (o *oracle) search(t testing.TB, k *token, typ fhir.Type) {
	t.Helper()
	q := url.Values{}
	all := o.guard.Describe(typ).Params
	for range o.rnd.IntN(3) {
		p := pick(o.rnd, all)
		if own, ok := search.Lookup(typ, pick(o.rnd, []string{"patient", "subject", "actor"})); ok && slices.Contains(all, own) && o.rnd.IntN(3) == 0 {
			p = own
		}
		switch {
		case o.rnd.IntN(5) == 0:
			q.Add("_filter", o.wide(typ, p))
		case o.rnd.IntN(6) == 0:
			q.Add(p.Name+":missing", pick(o.rnd, []string{"true", "false"}))
		case p.Type == fhir.ParamReference && len(p.Targets) > 0:
			q.Add(p.Name, o.named(k, p))
			if o.rnd.IntN(3) == 0 {
				q.Set(p.Name, q.Get(p.Name)+","+o.named(k, p))
			}
		case p.Type == fhir.ParamToken && p.Name != "_id":
			q.Add(p.Name+pick(o.rnd, []string{"", ":not"}), pick(o.rnd, []string{"laboratory", "a", "active", "http://x.example|b"}))
		case p.Type == fhir.ParamDate:
			q.Add(p.Name, pick(o.rnd, []string{"ge2026-04-01", "lt2026-05-20", "2026-05"}))
		case p.Type == fhir.ParamString:
			q.Add(p.Name, pick(o.rnd, []string{"sh", "L"}))
		}
	}
	for range o.rnd.IntN(3) {
		source := typ
		name := "_include"
		if o.rnd.IntN(2) == 0 {
			name, source = "_revinclude", pick(o.rnd, o.keys).Type
		}
		if o.rnd.IntN(4) == 0 {
			name += ":iterate"
		}
		if p, _, _ := o.referring(source); p != nil {
			q.Add(name, string(source)+":"+p.Name)
		}
	}
	q.Set("_count", fmt.Sprint(1+o.rnd.IntN(30)))
	path := string(typ) + "?" + q.Encode()
	found, first := o.follow(t, k, path+"&_total=accurate")
	o.count("search", first.status)
	switch {
	case first.status == http.StatusOK && !k.has(typ, "s"):
		t.Errorf("E2 %s %s: %d", k.describe(), path, first.status)
	case first.status == http.StatusOK && first.total != nil && *first.total != len(found):
		t.Errorf("E9 %s %s: total %v, but there are %d", k.describe(), path, first.total, len(found))
	case first.status >= http.StatusInternalServerError:
		t.Errorf("%s %s: %d %s", k.describe(), path, first.status, first.body)
	}
}
