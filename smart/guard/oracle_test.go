package guard_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/bundle"
	"github.com/portico-fhir/portico/fhir/join"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/rest"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/terminology"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/guard"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/sqlite"
	"github.com/portico-fhir/portico/store/storetest/backends"
	ehr "github.com/portico-fhir/portico/testdata/clinic"
)

var (
	requests = flag.Int("guard.requests", 0, "how many random requests the oracle test asks of each store; 0: a few thousand")
	seed     = flag.Uint64("guard.seed", 1, "seed of the oracle test")
)

// fakeGrants are grants that always have effect.
type fakeGrants map[string]policy.Effective

func (g fakeGrants) Live(_ context.Context, id string) (policy.Effective, bool, error) {
	e, ok := g[id]
	return e, ok, nil
}

// clinic is a world behind a guard and a server, and those who ask it.
type clinic struct {
	*world
	tokens  []*token
	access  map[string]*access.Access
	grants  fakeGrants
	guard   *guard.Repository
	inner   fhir.Repository
	handler http.Handler
}

// open puts a world into a store, and a guard and a server before it.
func open(t testing.TB, w *world, st store.Store) *clinic {
	t.Helper()
	records := &record.Repository{Store: st, Base: base, Now: func() time.Time { return now }}
	var changes []fhir.Change
	for _, key := range w.keys {
		changes = append(changes, fhir.Change{Method: fhir.Put, Key: key, Body: w.json(key)})
	}
	for some := range slices.Chunk(changes, 100) {
		if _, err := records.Commit(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	return serve(t, w, records)
}

// serve puts a guard and a server before the repository of a world.
func serve(t testing.TB, w *world, inner fhir.Repository) *clinic {
	t.Helper()
	clock := func() time.Time { return w.now }
	c := &clinic{world: w, inner: inner, access: make(map[string]*access.Access), grants: make(fakeGrants)}
	data, err := policy.Default()
	if err != nil {
		t.Fatal(err)
	}
	c.guard = &guard.Repository{
		Inner: inner, Policy: data, Grants: c.grants, Base: base, NewID: record.NewID, Now: clock,
	}
	repo := &terminology.Repository{Repository: &join.Repository{Inner: c.guard, Base: base}, Base: base}
	cursors, err := search.NewCursors(make([]byte, 32), clock)
	if err != nil {
		t.Fatal(err)
	}
	parser := &search.Parser{Base: base, Describe: repo.Describe, Cursors: cursors, DefaultCount: 20, MaxCount: 200}
	server := &rest.Server{
		Base: base, Repository: repo, Search: parser, Validator: &schema.Validator{Base: base},
		Bundles: &bundle.Processor{NewID: record.NewID},
		Metadata: func(mode string) (rest.Statement, bool) {
			return rest.Statement{Body: []byte("{}"), ETag: `"1"`}, mode == "full"
		},
		Now: clock,
		Authenticate: func(ctx context.Context, h http.Header) (context.Context, rest.Caller, error) {
			name, err := rest.Bearer(h)
			if err != nil {
				return nil, rest.Caller{}, err
			}
			a := c.access[name]
			return access.With(ctx, a), rest.Caller{Name: a.Caller()}, nil
		},
	}
	c.handler = server.Handler()
	return c
}

// add makes somebody who asks.
func (c *clinic) add(t testing.TB, k *token) {
	t.Helper()
	k.name = fmt.Sprintf("t%d", len(c.tokens))
	set, bad := scope.Parse(k.scopes)
	if bad != nil {
		t.Fatal(bad)
	}
	a := &access.Access{Kind: k.kind, Scopes: set, Account: "account-" + k.name, Client: "app", Token: k.name}
	switch k.kind {
	case access.Patient:
		a.Actor, a.Patient = fhir.Key{Type: "Patient", ID: k.id}, k.id
	case access.Proxy:
		a.Actor, a.Patient, a.Grant = fhir.Key{Type: "RelatedPerson", ID: k.actor}, k.id, "grant-"+k.name
		if k.column != "" {
			birth := map[string]string{"child": "2022-01-01", "limited": "2012-01-01"}[k.column]
			g := policy.Grant{ID: a.Grant, Proxy: a.Actor, Patient: k.id, Basis: "parental", Active: true}
			e, ok := c.guard.Policy.Effective(g, policy.Subject{Birth: birth}, now, time.UTC)
			if !ok || e.Column != k.column {
				t.Fatalf("the grant opens %q", e.Column)
			}
			c.grants[a.Grant] = e
		}
	case access.Clinician:
		a.Actor, a.Patient = fhir.Key{Type: "Practitioner", ID: k.id}, k.inside
	}
	c.access[k.name] = a
	c.tokens = append(c.tokens, k)
}

// populate makes tokens of all kinds.
func (c *clinic) populate(t testing.TB) {
	t.Helper()
	types := []string{"Observation", "Condition", "Patient", "Encounter", "Appointment", "Communication", "Practitioner", "DocumentReference", "Provenance", "Device", "Consent", "RelatedPerson", "List"}
	scopes := func(context string) string {
		switch c.rnd.IntN(5) {
		case 0:
			return context + "/*.rs"
		case 1:
			return context + "/*.read launch openid"
		case 2:
			return context + "/Observation.rs?category=" + pick(c.rnd, []string{"laboratory", "http://x.example|vital-signs", "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"}) +
				" " + context + "/Observation.r?category=survey&code=a " + context + "/Condition.s?category=imaging " + context + "/Patient.rs " + context + "/Practitioner.s"
		default:
			var all []string
			for range 1 + c.rnd.IntN(8) {
				all = append(all, context+"/"+pick(c.rnd, types)+"."+pick(c.rnd, []string{"r", "s", "rs", "cruds", "read", "*", "cud", "write"}))
			}
			return strings.Join(all, " ")
		}
	}
	for range 12 {
		c.add(t, &token{kind: access.Patient, id: c.any("Patient"), scopes: scopes("patient")})
		c.add(t, &token{kind: access.Proxy, id: c.any("Patient"), actor: c.any("RelatedPerson"), column: pick(c.rnd, []string{"child", "limited", ""}), scopes: scopes("patient")})
		c.add(t, &token{kind: access.Clinician, id: c.any("Practitioner"), scopes: scopes("user")})
	}
	c.add(t, &token{kind: access.Patient, id: c.patient[0], scopes: "user/*.rs system/*.rs"})
	c.add(t, &token{kind: access.Patient, id: c.patient[0], scopes: "system/*.cruds"})
	c.add(t, &token{kind: access.Clinician, id: "d1", inside: c.patient[1], scopes: "patient/*.rs user/Observation.s"})
	c.add(t, &token{kind: access.Clinician, id: "nobody", scopes: "user/*.rs"})
	c.add(t, &token{kind: access.System, scopes: "system/*.rs"})
	c.add(t, &token{kind: access.System, scopes: "system/Observation.rs?category=laboratory system/Patient.s patient/*.rs"})
}

// answer is what came back.
type answer struct {
	status int
	body   []byte
	header http.Header
	found  []fhir.Key // matches of a Bundle, or the resource
	added  []fhir.Key // what it includes
	total  *int
	next   string
}

// named is as much of a resource as the test looks at.
type named struct {
	ResourceType fhir.Type `json:"resourceType"`
	ID           string    `json:"id"`
}

// found is as much of a Bundle.
type found struct {
	Total *int `json:"total"`
	Link  []struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	} `json:"link"`
	Entry []struct {
		Resource json.RawMessage `json:"resource"`
		Search   struct {
			Mode string `json:"mode"`
		} `json:"search"`
	} `json:"entry"`
}

func (c *clinic) ask(t testing.TB, k *token, method, path, body string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/fhir/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+k.name)
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	rec := httptest.NewRecorder()
	c.handler.ServeHTTP(rec, r)
	a := answer{status: rec.Code, body: rec.Body.Bytes(), header: rec.Header()}
	a.collect(t, a.body)
	return a
}

// collect gathers the keys of what was sent, Bundles within Bundles included.
func (a *answer) collect(t testing.TB, body []byte) {
	t.Helper()
	r := decode[named](t, body)
	switch {
	case r.ResourceType == "OperationOutcome" && r.ID == "", r.ResourceType == "Parameters" && r.ID == "":
		return
	case r.ResourceType != "Bundle" || r.ID != "":
		a.found = append(a.found, fhir.Key{Type: r.ResourceType, ID: r.ID})
		return
	}
	b := decode[found](t, body)
	a.total = b.Total
	for _, l := range b.Link {
		if l.Relation == "next" {
			a.next = strings.TrimPrefix(l.URL, base+"/")
		}
	}
	for _, e := range b.Entry {
		switch {
		case e.Resource == nil:
		case e.Search.Mode == "include":
			in := decode[named](t, e.Resource)
			a.added = append(a.added, fhir.Key{Type: in.ResourceType, ID: in.ID})
		default:
			a.collect(t, e.Resource)
		}
	}
}

func decode[T any](t testing.TB, body []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	return v
}

// TestOracle asks at random, and holds each answer against what the naive evaluator
// says is visible.
func TestOracle(t *testing.T) {
	t.Parallel()
	for name, openStore := range backends.All() {
		t.Run("E4 E5 E6 E7 E9 "+name, func(t *testing.T) {
			t.Parallel()
			patients, n := 200, 8000
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
	switch o.rnd.IntN(13) {
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

// several asks for what answers with many types.
func (o *oracle) several(t testing.TB, k *token, key fhir.Key) {
	t.Helper()
	patient := o.any("Patient")
	if k.kind == access.Patient || k.kind == access.Proxy {
		if o.rnd.IntN(2) == 0 {
			patient = k.id
		}
	}
	path := pick(o.rnd, []string{
		"Patient/" + patient + "/$everything",
		"Patient/" + patient + "/$everything?_type=Observation,Condition",
		"Patient/" + patient + "/*",
		"Patient/" + patient + "/Observation",
		"Encounter/" + o.any("Encounter") + "/$everything",
		"Practitioner/d1/*",
		"?_type=Patient,Observation",
		"Observation/$lastn?patient=" + patient + "&category=laboratory",
		"Observation?_list=" + o.any("List"),
		"_history",
		string(key.Type) + "/_history",
	})
	found, first := o.follow(t, k, path)
	o.count("several "+strings.NewReplacer(patient, "x").Replace(strings.SplitN(path, "?", 2)[0]), first.status)
	if first.status >= http.StatusInternalServerError {
		t.Errorf("%s %s: %d %s", k.describe(), path, first.status, first.body)
	}
	if path == "Patient/"+patient+"/Observation" && first.status == http.StatusOK && k.kind == access.Patient && patient == k.id {
		if want := o.visible(k, "Observation", func(key fhir.Key) bool { return o.within(key, patient) }); len(want) != len(found) {
			t.Errorf("E4 %s %s: %d, want %d", k.describe(), path, len(found), len(want))
		}
	}
	if path == "?_type=Patient,Observation" && (!k.has("Patient", "s") || !k.has("Observation", "s")) && first.status != http.StatusForbidden {
		t.Errorf("E2 %s %s: %d", k.describe(), path, first.status)
	}
}

// within reports whether an Observation is in the compartment of a patient.
func (o *oracle) within(key fhir.Key, patient string) bool {
	to := fhir.Key{Type: "Patient", ID: patient}
	return o.refers(key, []string{"subject"}, to) || o.refers(key, []string{"performer"}, to)
}

// write tries to change what is not visible: the answer is that to what never was, and
// nothing changes. What is visible is left alone, so that the world stays as it is.
func (o *oracle) write(t testing.TB, k *token, key fhir.Key) {
	t.Helper()
	letter := pick(o.rnd, []string{"u", "d"})
	if o.sees(k, key, letter) || o.sees(k, key, "r") {
		return
	}
	match := o.rnd.IntN(2) == 0
	try := func(id string) answer {
		method, content, body := "PUT", "application/fhir+json", fmt.Sprintf(`{"resourceType":%q,"id":%q}`, key.Type, id)
		if key.Type == "Observation" {
			body = fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%s"}}`, id, k.id)
		}
		switch {
		case letter == "d":
			method, body = "DELETE", ""
		case match:
			method, content, body = "PATCH", "application/json-patch+json", `[{"op":"add","path":"/language","value":"en"}]`
		}
		r := httptest.NewRequestWithContext(t.Context(), method, "/fhir/"+string(key.Type)+"/"+id, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+k.name)
		r.Header.Set("Content-Type", content)
		if match {
			r.Header.Set("If-Match", `W/"1"`)
		}
		rec := httptest.NewRecorder()
		o.handler.ServeHTTP(rec, r)
		return answer{status: rec.Code, body: rec.Body.Bytes(), header: rec.Header()}
	}
	a, b := try(key.ID), try("never-was")
	o.count("write", a.status)
	if a.status != b.status || strings.ReplaceAll(string(a.body), key.ID, "never-was") != string(b.body) || !maps.EqualFunc(stable(a.header), stable(b.header), slices.Equal) {
		t.Errorf("E9 %s writes %s (%s), and it is told apart from what never was: %d %s %v\n%d %s %v", k.describe(), key, letter, a.status, a.body, a.header, b.status, b.body, b.header)
	}
	res, err := o.inner.Read(t.Context(), key)
	if version := o.version[key]; err != nil || res.Version != version && (version != "" || res.Version != "1") {
		t.Errorf("E9 %s changed %s: it is at version %q, %v", k.describe(), key, res.Version, err)
	}
}

// batch asks for several things at once.
func (o *oracle) batch(t testing.TB, k *token) {
	t.Helper()
	var entries []string
	for range 3 {
		key := pick(o.rnd, o.keys)
		entries = append(entries, fmt.Sprintf(`{"request":{"method":"GET","url":"%s"}}`, pick(o.rnd, []string{key.String(), string(key.Type) + "?_count=3", key.String() + "/_history"})))
	}
	kind := pick(o.rnd, []string{"batch", "transaction"})
	a := o.ask(t, k, "POST", "", fmt.Sprintf(`{"resourceType":"Bundle","type":%q,"entry":[%s]}`, kind, strings.Join(entries, ",")))
	o.count(kind, a.status)
	for _, key := range a.found {
		if !o.sees(k, key, "r") && !o.sees(k, key, "s") {
			t.Errorf("E8 %s %v: shows %s", k.describe(), entries, key)
		}
	}
}
