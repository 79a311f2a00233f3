package grant_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/invariant"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/grant"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// clinic is a small clinic: Lena, born on 20 May 2012, her father Tom who is her
// RelatedPerson and has an account, and Ada, who is of age.
type clinic struct {
	*grant.Operations
	repo  fhir.Repository
	store store.Store
	now   time.Time
	tom   account.Account
	hide  map[fhir.Key]bool // what the caller does not see
}

// guarded is the repository as the caller sees it.
type guarded struct {
	fhir.Repository
	c *clinic
}

func (g guarded) Read(ctx context.Context, key fhir.Key) (fhir.Resource, error) {
	if g.c.hide[key] {
		return fhir.Resource{}, fhir.Errorf(fhir.CodeNotFound, "", "There is no %s.", key)
	}
	return g.Repository.Read(ctx, key)
}

var oslo = func() *time.Location {
	loc, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		panic(err)
	}
	return loc
}()

func day(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", s, oslo)
	if err != nil {
		panic(err)
	}
	return t
}

func newClinic(t *testing.T, st store.Store) *clinic {
	t.Helper()
	c := &clinic{store: st, now: day("2020-01-15 12:00"), hide: map[fhir.Key]bool{}}
	now := func() time.Time { return c.now }
	c.repo = &record.Repository{Store: st, Location: oslo}
	if err := st.Ensure(t.Context(), append(grant.Indexes(), account.Indexes()...)); err != nil {
		t.Fatal(err)
	}
	p, err := policy.Default()
	if err != nil {
		t.Fatal(err)
	}
	accounts := &account.Accounts{Store: st, Hasher: account.NewHasher(account.Cost{Memory: 64, Passes: 1, Lanes: 1}, 1), Now: now}
	for _, body := range []string{
		`{"resourceType":"Patient","id":"lena","birthDate":"2012-05-20","name":[{"family":"Shaw","given":["Lena"]}]}`,
		`{"resourceType":"Patient","id":"ada","birthDate":"1980-01-01","name":[{"text":"Ada Shaw"}]}`,
		`{"resourceType":"RelatedPerson","id":"tom-for-lena","patient":{"reference":"Patient/lena"},"identifier":[{"system":"urn:login","value":"tom.shaw"}]}`,
		`{"resourceType":"RelatedPerson","id":"tom-for-ada","patient":{"reference":"Patient/ada"},"identifier":[{"system":"urn:login","value":"tom.shaw"}]}`,
		`{"resourceType":"RelatedPerson","id":"stranger","active":false,"patient":{"reference":"Patient/ada"},"identifier":[{"system":"urn:login","value":"tom.shaw"}]}`,
		`{"resourceType":"RelatedPerson","id":"nobody","patient":{"reference":"Patient/ada"}}`,
	} {
		c.put(t, body)
	}
	if c.tom, err = accounts.Add(t.Context(), account.Account{Login: "tom.shaw", Name: "Tom", Roles: []account.Role{account.Proxy}}, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	c.Operations = &grant.Operations{
		Grants:   &grant.Grants{Store: st, Repository: c.repo, Policy: p, Location: oslo, Now: now},
		Accounts: accounts, Guarded: guarded{c.repo, c}, Validator: &invariant.Validator{Schema: &schema.Validator{}}, Logins: "urn:login",
	}
	return c
}

func (c *clinic) put(t *testing.T, body string) {
	t.Helper()
	var head struct {
		Type fhir.Type `json:"resourceType"`
		ID   string    `json:"id"`
	}
	if err := json.Unmarshal([]byte(body), &head); err != nil {
		t.Fatal(err)
	}
	if _, err := c.repo.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: fhir.Key{Type: head.Type, ID: head.ID}, Body: []byte(body)}}); err != nil {
		t.Fatal(err)
	}
}

func scopes(s string) scope.Set {
	set, _ := scope.Parse(s)
	return set
}

var (
	doctor = &access.Access{Kind: access.Clinician, Actor: fhir.Key{Type: "Practitioner", ID: "okafor"}, Account: "dr", Scopes: scopes("user/Consent.cruds user/RelatedPerson.c")}
	ada    = &access.Access{Kind: access.Patient, Actor: fhir.Key{Type: "Patient", ID: "ada"}, Patient: "ada", Account: "ada", Scopes: scopes("patient/Consent.cru")}
	lena   = &access.Access{Kind: access.Patient, Actor: fhir.Key{Type: "Patient", ID: "lena"}, Patient: "lena", Account: "lena", Scopes: scopes("patient/*.cruds")}
	system = &access.Access{Kind: access.System, Client: "ehr", Scopes: scopes("system/Consent.cruds system/RelatedPerson.c")}
)

// run invokes an operation by its name; parameters are written without their frame.
func (c *clinic) run(ctx context.Context, t *testing.T, who *access.Access, code, id, parameters string) (string, error) {
	t.Helper()
	for _, d := range c.Definitions() {
		if d.Code != code {
			continue
		}
		call := operation.Call{Key: fhir.Key{Type: d.Type, ID: id}}
		if parameters != "" {
			call.Body = []byte(`{"resourceType":"Parameters","parameter":[` + parameters + `]}`)
		}
		res, err := d.Run(access.With(ctx, who), call)
		return string(res.Parameters), err
	}
	t.Fatalf("there is no operation %s", code)
	return "", nil
}

const parental = `{"name":"patient","valueReference":{"reference":"Patient/lena"}},{"name":"proxy","valueReference":{"reference":"RelatedPerson/tom-for-lena"}},` +
	`{"name":"basis","valueCode":"parental"},{"name":"evidence","valueString":"birth certificate seen"}`

// granted gives the id of a grant that the doctor made.
func (c *clinic) granted(t *testing.T, parameters string) string {
	t.Helper()
	body, err := c.run(t.Context(), t, doctor, "grant-proxy", "", parameters)
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(body), &made); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func (c *clinic) live(t *testing.T, id string) (policy.Effective, bool) {
	t.Helper()
	e, ok, err := c.Grants.Live(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return e, ok
}

func codeOf(err error) fhir.IssueCode {
	var refusal *fhir.Error
	if errors.As(err, &refusal) {
		return refusal.Code()
	}
	return ""
}

func TestAGrantFromItsMakingToItsEnd(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, _ string, st store.Store) {
		fromItsMakingToItsEnd(t, newClinic(t, st))
	})
}

func fromItsMakingToItsEnd(t *testing.T, c *clinic) {
	t.Helper()
	id := c.granted(t, parental)
	consent, err := c.repo.Read(t.Context(), fhir.Key{Type: "Consent", ID: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"status":"active"`, `"reference":"RelatedPerson/tom-for-lena"`, `"reference":"Patient/lena"`, `"reference":"Practitioner/okafor"`, `"code":"FAMRQT"`} {
		if !strings.Contains(string(consent.Body), want) {
			t.Errorf("%s lacks %s", consent.Body, want)
		}
	}
	if e, ok := c.live(t, id); !ok || e.Column != "child" || e.Patient != "lena" || e.Proxy.ID != "tom-for-lena" {
		t.Errorf("E11 at 7: %+v, %v", e, ok)
	}
	choices, err := c.Grants.Choices(t.Context(), &c.tom)
	if err != nil || len(choices) != 1 || choices[0].Name != "Lena Shaw" || choices[0].Grant != id || choices[0].Birth != "2012-05-20" {
		t.Errorf("%v, %+v", err, choices)
	}
	if _, err := c.run(t.Context(), t, doctor, "revoke-proxy", id, ""); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.live(t, id); ok {
		t.Error("E11 a revoked grant is in force")
	}
	consent, err = c.repo.Read(t.Context(), fhir.Key{Type: "Consent", ID: id})
	if err != nil || !strings.Contains(string(consent.Body), `"status":"inactive"`) || consent.Version != "2" {
		t.Errorf("%v: %s", err, consent.Body)
	}
	if choices, err := c.Grants.Choices(t.Context(), &c.tom); err != nil || len(choices) != 0 {
		t.Errorf("%v, %+v", err, choices)
	}
	if _, err := c.run(t.Context(), t, doctor, "revoke-proxy", id, ""); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

// newMemory is a store that nobody else writes to, and that says so.
func newMemory(t *testing.T) *sole {
	t.Helper()
	st := &sole{Store: memory.New()}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// sole implements store.Marker, and counts what is asked.
type sole struct {
	store.Store
	mark, asked atomic.Int64
}

func (s *sole) Mark() (int64, bool) { return s.mark.Load(), true }

func (s *sole) Apply(ctx context.Context, ops []store.Op) error {
	err := s.Store.Apply(ctx, ops)
	if err == nil {
		s.mark.Add(1)
	}
	return err
}

func (s *sole) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	s.asked.Add(1)
	return s.Store.Find(ctx, q)
}

// TestAGrantIsRememberedUntilSomethingIsWritten says that nothing is looked up twice where
// nothing can have changed.
func TestAGrantIsRememberedUntilSomethingIsWritten(t *testing.T) {
	t.Parallel()
	st := newMemory(t)
	c := newClinic(t, st)
	id := c.granted(t, parental)
	for _, tt := range []struct {
		claim string
		do    func()
		asks  bool
	}{
		{"at first", func() {}, true},
		{"again", func() {}, false},
		{"an hour later", func() { c.now = c.now.Add(time.Hour) }, false},
		{"when something was written, whatever", func() { c.put(t, `{"resourceType":"Basic","id":"x","code":{"text":"x"}}`) }, true},
		{"after that", func() {}, false},
		{"on the next day, since the use is noted", func() { c.now = c.now.Add(24 * time.Hour) }, true},
		{"since that was written", func() {}, true},
		{"then", func() {}, false},
		{"when the clock was set back", func() { c.now = c.now.Add(-2 * time.Hour) }, true},
	} {
		tt.do()
		before := st.asked.Load()
		if e, ok := c.live(t, id); !ok || e.Column != "child" {
			t.Fatalf("E11 %s: %+v, %v", tt.claim, e, ok)
		}
		if asked := st.asked.Load() > before; asked != tt.asks {
			t.Errorf("E11 %s: asked %v", tt.claim, asked)
		}
	}
}

func TestE11_BirthdaysActAtMidnightInTheClinic(t *testing.T) {
	t.Parallel()
	c := newClinic(t, newMemory(t))
	id := c.granted(t, parental)
	for _, tt := range []struct{ at, column string }{
		{"2024-05-19 23:59", "child"},
		{"2024-05-20 00:00", "limited"},
		{"2030-05-19 23:59", "limited"},
		{"2030-05-20 00:00", ""},
	} {
		c.now = day(tt.at)
		c.use(t, id)
		e, ok := c.live(t, id)
		if ok != (tt.column != "") || e.Column != tt.column {
			t.Errorf("at %s: %q, %v", tt.at, e.Column, ok)
		}
	}
}

// use makes that a grant was used just now, however long ago it was used before.
func (c *clinic) use(t *testing.T, id string) {
	t.Helper()
	err := c.store.Apply(t.Context(), []store.Op{{Kind: store.Update, Collection: "portico_grants", ID: store.String(id), Set: []store.Field{{Path: "used", Value: store.V(c.now)}}}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestE11_WhatNarrowedWithAgeDoesNotWiden(t *testing.T) {
	t.Parallel()
	c := newClinic(t, newMemory(t))
	id := c.granted(t, parental)
	birth := func(date string) { c.put(t, `{"resourceType":"Patient","id":"lena","birthDate":"`+date+`"}`) }
	birth("2005-01-01") // corrected: she is 15
	if e, ok := c.live(t, id); !ok || e.Column != "limited" {
		t.Errorf("a corrected date of birth does not act at once: %+v", e)
	}
	birth("2012-05-20") // and back
	if e, ok := c.live(t, id); !ok || e.Column != "limited" {
		t.Errorf("a correction widens the grant: %+v", e)
	}
	birth("1990-01-01")
	if _, ok := c.live(t, id); ok {
		t.Error("a parent's grant is in force for somebody of 30")
	}
	birth("2012-05-20")
	if _, ok := c.live(t, id); ok {
		t.Error("it is in force again")
	}
	other := c.granted(t, strings.Replace(parental, `"parental"`, `"temporary"`, 1))
	if e, ok := c.live(t, other); !ok || e.Column != "child" {
		t.Errorf("what staff grants anew counts from the date that is there now: %+v, %v", e, ok)
	}
}

func TestE11_WhatEndsAGrant(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, c *clinic){
		"the patient dies": func(t *testing.T, c *clinic) {
			c.put(t, `{"resourceType":"Patient","id":"lena","birthDate":"2012-05-20","deceasedBoolean":true}`)
		},
		"the record is deleted":       func(t *testing.T, c *clinic) { c.remove(t, "Patient/lena") },
		"nobody knows the age":        func(t *testing.T, c *clinic) { c.put(t, `{"resourceType":"Patient","id":"lena"}`) },
		"the period is over":          func(_ *testing.T, c *clinic) { c.now = day("2022-02-01 00:00") },
		"it was not used for so long": func(_ *testing.T, c *clinic) { c.now = c.now.Add(grant.DefaultUnused) },
		"an emancipated minor, at once": func(t *testing.T, c *clinic) {
			c.put(t, `{"resourceType":"Patient","id":"lena","birthDate":"2012-05-20","extension":[{"url":"https://portico-fhir.github.io/StructureDefinition/emancipated-minor","valueBoolean":true}]}`)
		},
	} {
		t.Run("E11 "+name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, newMemory(t))
			id := c.granted(t, parental+`,{"name":"period","valuePeriod":{"end":"2022-01-31"}}`)
			if _, ok := c.live(t, id); !ok {
				t.Fatal("it was not in force before")
			}
			end(t, c)
			if e, ok := c.live(t, id); ok {
				t.Errorf("it is in force: %+v", e)
			}
			if choices, err := c.Grants.Choices(t.Context(), &c.tom); err != nil || len(choices) > 0 {
				t.Errorf("it is offered: %+v, %v", choices, err)
			}
		})
	}
}

func (c *clinic) remove(t *testing.T, name string) {
	t.Helper()
	typ, id, _ := strings.Cut(name, "/")
	if _, err := c.repo.Commit(t.Context(), []fhir.Change{{Method: fhir.Delete, Key: fhir.Key{Type: fhir.Type(typ), ID: id}}}); err != nil {
		t.Fatal(err)
	}
}

func TestAGrantIsNarrowedNeverWidened(t *testing.T) {
	t.Parallel()
	c := newClinic(t, newMemory(t))
	id := c.granted(t, parental+`,{"name":"category","valueCode":"labs"},{"name":"category","valueCode":"messages"}`)
	for _, bad := range []string{
		`{"name":"category","valueCode":"documents"}`, `{"name":"category","valueCode":"nonsense"}`, `{"name":"patient","valueReference":{"reference":"Patient/ada"}}`, ``,
	} {
		if _, err := c.run(t.Context(), t, doctor, "narrow-proxy", id, bad); codeOf(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := c.run(t.Context(), t, doctor, "narrow-proxy", id, `{"name":"category","valueCode":"messages"},{"name":"period","valuePeriod":{"end":"2020-03-01"}}`); err != nil {
		t.Fatal(err)
	}
	e, ok := c.live(t, id)
	if !ok || !slices.Equal(e.Categories(), []string{"messages"}) {
		t.Errorf("%v %+v", ok, e.Categories())
	}
	if _, err := c.run(t.Context(), t, doctor, "narrow-proxy", id, `{"name":"period","valuePeriod":{"end":"2020-04-01"}}`); codeOf(err) != fhir.CodeBusinessRule {
		t.Errorf("made longer: %v", err)
	}
	c.now = day("2020-03-02 00:00")
	if _, ok := c.live(t, id); ok {
		t.Error("in force beyond its new end")
	}
}

func TestWhoMayGrantWhat(t *testing.T) {
	t.Parallel()
	const (
		adult   = `{"name":"proxy","valueReference":{"reference":"RelatedPerson/tom-for-ada"}},{"name":"basis","valueCode":"adult-delegated"}`
		labs    = `,{"name":"category","valueCode":"labs"}`
		toAda   = `{"name":"patient","valueReference":{"reference":"Patient/ada"}},`
		because = `,{"name":"evidence","valueString":"seen"}`
	)
	proxy := &access.Access{Kind: access.Proxy, Patient: "ada", Account: "tom", Scopes: scopes("patient/*.cruds")}
	teen := day("2026-06-01 12:00")
	for name, tt := range map[string]struct {
		who        *access.Access
		at         time.Time
		parameters string
		want       fhir.IssueCode
	}{
		"E11 an adult delegates":                               {ada, time.Time{}, adult + labs, ""},
		"E11 but must name what":                               {ada, time.Time{}, adult, fhir.CodeRequired},
		"E11 a patient cannot make somebody a parent":          {ada, time.Time{}, strings.Replace(adult, "adult-delegated", "parental", 1) + because, fhir.CodeForbidden},
		"E11 nor give away another's record":                   {ada, time.Time{}, `{"name":"patient","valueReference":{"reference":"Patient/lena"}},` + adult + labs, fhir.CodeNotFound},
		"E11 nor ask who has an account":                       {ada, time.Time{}, adult + labs + `,{"name":"login","valueString":"tom.shaw"}`, fhir.CodeForbidden},
		"E11 a child grants nothing":                           {lena, time.Time{}, `{"name":"proxy","valueReference":{"reference":"RelatedPerson/tom-for-lena"}},{"name":"basis","valueCode":"teen-assented"}`, fhir.CodeForbidden},
		"E11 a teenager assents":                               {lena, teen, `{"name":"proxy","valueReference":{"reference":"RelatedPerson/tom-for-lena"}},{"name":"basis","valueCode":"teen-assented"}`, ""},
		"E11 a proxy lets nobody in":                           {proxy, time.Time{}, adult + labs, fhir.CodeForbidden},
		"E11 staff needs evidence":                             {doctor, time.Time{}, toAda + adult + labs, fhir.CodeRequired},
		"E11 staff grants on evidence":                         {doctor, time.Time{}, toAda + adult + labs + because, ""},
		"E11 a system too":                                     {system, time.Time{}, toAda + adult + labs + because, ""},
		"E11 a basis without effect":                           {doctor, time.Time{}, toAda + strings.Replace(adult, "adult-delegated", "parental", 1) + because, fhir.CodeBusinessRule},
		"E11 somebody else's relative":                         {doctor, time.Time{}, toAda + strings.Replace(adult, "tom-for-ada", "tom-for-lena", 1) + labs + because, fhir.CodeBusinessRule},
		"E11 no such relative":                                 {doctor, time.Time{}, toAda + strings.Replace(adult, "tom-for-ada", "none", 1) + labs + because, fhir.CodeBusinessRule},
		"E11 a relative who is not active":                     {doctor, time.Time{}, toAda + strings.Replace(adult, "tom-for-ada", "stranger", 1) + labs + because, fhir.CodeBusinessRule},
		"E11 a relative without an account":                    {doctor, time.Time{}, toAda + strings.Replace(adult, "tom-for-ada", "nobody", 1) + labs + because, fhir.CodeBusinessRule},
		"E11 whose account the clinic names":                   {doctor, time.Time{}, toAda + strings.Replace(adult, "tom-for-ada", "nobody", 1) + labs + because + `,{"name":"login","valueString":"Tom.Shaw"}`, ""},
		"E11 a relative who is made with the grant":            {doctor, time.Time{}, toAda + `{"name":"relatedPerson","resource":{"resourceType":"RelatedPerson","patient":{"reference":"Patient/ada"}}},{"name":"basis","valueCode":"poa-incapacity"},{"name":"login","valueString":"tom.shaw"}` + labs + because, ""},
		"E11 not one of somebody else":                         {doctor, time.Time{}, toAda + `{"name":"relatedPerson","resource":{"resourceType":"RelatedPerson","patient":{"reference":"Patient/lena"}}},{"name":"basis","valueCode":"poa-incapacity"},{"name":"login","valueString":"tom.shaw"}` + labs + because, fhir.CodeBusinessRule},
		"E11 an invalid body":                                  {doctor, time.Time{}, `{"name":"patient","valueReference":{"reference":7}}`, fhir.CodeValue},
		"E11 an unknown parameter":                             {doctor, time.Time{}, toAda + `{"name":"everything","valueBoolean":true}`, fhir.CodeInvalid},
		"E11 a period that ends before it begins":              {doctor, time.Time{}, toAda + adult + labs + because + `,{"name":"period","valuePeriod":{"start":"2020-02-02","end":"2020-02-01"}}`, fhir.CodeInvariant},
		"E3 without the scope":                                 {&access.Access{Kind: access.Patient, Patient: "ada", Scopes: scopes("patient/Consent.rs")}, time.Time{}, adult + labs, fhir.CodeForbidden},
		"E1 nobody":                                            {nil, time.Time{}, adult + labs, fhir.CodeForbidden},
		"E4 a scope for some Consents is not one for this one": {&access.Access{Kind: access.Patient, Patient: "ada", Scopes: scopes("patient/Consent.c?status=active")}, time.Time{}, adult + labs, fhir.CodeForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, newMemory(t))
			if !tt.at.IsZero() {
				c.now = tt.at
			}
			_, err := c.run(t.Context(), t, tt.who, "grant-proxy", "", tt.parameters)
			if codeOf(err) != tt.want || (tt.want == "" && err != nil) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			n, err := c.store.Count(t.Context(), store.Query{Collection: "portico_grants"})
			consents, err2 := c.repo.Search(t.Context(), &fhir.Query{Type: "Consent", Count: 10})
			if want := 1; err != nil || err2 != nil || (tt.want == "") != (n == int64(want)) || len(consents.Resources) != int(n) {
				t.Errorf("%d grants, %d consents, %v, %v", n, len(consents.Resources), err, err2)
			}
		})
	}
}

func TestASecondGrantOfTheSameKindIsRefused(t *testing.T) {
	t.Parallel()
	c := newClinic(t, newMemory(t))
	id := c.granted(t, parental)
	if _, err := c.run(t.Context(), t, doctor, "grant-proxy", "", parental); codeOf(err) != fhir.CodeDuplicate || !strings.Contains(err.Error(), id) {
		t.Errorf("got %v", err)
	}
}

func TestE9_AConsentThatIsNotSeenIsNotChanged(t *testing.T) {
	t.Parallel()
	c := newClinic(t, newMemory(t))
	id := c.granted(t, parental)
	c.hide[fhir.Key{Type: "Consent", ID: id}] = true
	_, unseen := c.run(t.Context(), t, ada, "revoke-proxy", id, "")
	_, absent := c.run(t.Context(), t, ada, "revoke-proxy", "none", "")
	if codeOf(unseen) != fhir.CodeNotFound || strings.ReplaceAll(unseen.Error(), id, "none") != absent.Error() {
		t.Errorf("%v, but %v", unseen, absent)
	}
	if _, ok := c.live(t, id); !ok {
		t.Error("it was revoked")
	}
}

func TestE11_AProxyGivesAGrantBack(t *testing.T) {
	t.Parallel()
	c := newClinic(t, newMemory(t))
	id := c.granted(t, parental)
	tom := &access.Access{Kind: access.Proxy, Account: c.tom.ID, Patient: "lena", Grant: id, Scopes: scopes("patient/Consent.rs")}
	if _, err := c.run(t.Context(), t, tom, "revoke-proxy", id, ""); codeOf(err) != fhir.CodeForbidden {
		t.Errorf("E3 without the scope: %v", err)
	}
	tom.Scopes = scopes("patient/Consent.rus")
	e, ok := c.live(t, id)
	if left := c.Grants.Policy.Narrow(&e, tom.Scopes).String(); !ok || left != "patient/Consent.rus" {
		t.Errorf("the app is told %q", left)
	}
	if _, err := c.run(t.Context(), t, tom, "revoke-proxy", id, ""); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.live(t, id); ok {
		t.Error("the grant is in force")
	}
}

func TestMyPatients(t *testing.T) {
	t.Parallel()
	c := newClinic(t, newMemory(t))
	id := c.granted(t, parental)
	tom := &access.Access{Kind: access.Proxy, Account: c.tom.ID, Patient: "lena", Scopes: scopes("user/Patient.rs")}
	body, err := c.run(t.Context(), t, tom, "my-patients", "", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Validator.Validate([]byte(body), "Parameters"); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`{"reference":"Patient/lena","display":"Lena Shaw"}`, `{"reference":"RelatedPerson/tom-for-lena"}`, `Consent/` + id, `"valueCode":"labs"`, `"valueInstant":"2024-05-19T22:00:00.000Z"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s lacks %s", body, want)
		}
	}
	for claim, tt := range map[string]struct {
		patient, scopes, lacks string
	}{
		"for another patient":     {"max", "patient/Patient.rs", "lena"},
		"for some patients only":  {"max", "user/Patient.rs?gender=male", "lena"},
		"without a scope to read": {"lena", "patient/Observation.rs user/Patient.c", "Shaw"},
		"for nobody":              {"", "patient/Patient.rs", "lena"},
	} {
		body, err := c.run(t.Context(), t, &access.Access{Kind: access.Proxy, Account: c.tom.ID, Patient: tt.patient, Scopes: scopes(tt.scopes)}, "my-patients", "", "")
		if err != nil || strings.Contains(body, tt.lacks) || strings.Contains(body, "Patient/lena") != (tt.patient == "lena") {
			t.Errorf("a token %s is told %s, %v", claim, body, err)
		}
	}
	if _, err := c.run(t.Context(), t, system, "my-patients", "", ""); codeOf(err) != fhir.CodeForbidden {
		t.Errorf("a system: %v", err)
	}
}

func TestChoices(t *testing.T) {
	t.Parallel()
	c := newClinic(t, newMemory(t))
	c.granted(t, parental)
	c.put(t, `{"resourceType":"Patient","id":"max"}`)
	both := []account.Role{account.Patient, account.Proxy}
	for claim, tt := range map[string]struct {
		roles  []account.Role
		person string
		want   []string
	}{
		"the own record comes first":                {both, "max", []string{"max", "lena"}},
		"without the role nobody acts for others":   {both[:1], "max", []string{"max"}},
		"a proxy need not be a patient":             {both[1:], "max", []string{"lena"}},
		"nobody acts for themselves":                {both, "lena", []string{"lena"}},
		"a record that is not there is not offered": {both, "gone", []string{"lena"}},
	} {
		who := account.Account{ID: c.tom.ID, Roles: tt.roles, Person: fhir.Key{Type: "Patient", ID: tt.person}}
		choices, err := c.Grants.Choices(t.Context(), &who)
		var got []string
		for i, choice := range choices {
			got = append(got, choice.Patient.ID)
			if own := i == 0 && slices.Contains(tt.roles, account.Patient) && tt.person != "gone"; own != (choice.Grant == "") {
				t.Errorf("B10 %s: %+v", claim, choice)
			}
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("B10 %s: %v, %v", claim, got, err)
		}
	}
}

func TestAProxyWhomAProviderVouchesFor(t *testing.T) {
	t.Parallel()
	c := newClinic(t, newMemory(t))
	c.put(t, `{"resourceType":"RelatedPerson","id":"eva-for-lena","patient":{"reference":"Patient/lena"},"identifier":[{"system":"https://id.example","value":"s1"}]}`)
	request := strings.Replace(parental, "tom-for-lena", "eva-for-lena", 1)
	if _, err := c.run(t.Context(), t, doctor, "grant-proxy", "", request); codeOf(err) != fhir.CodeBusinessRule {
		t.Errorf("before she ever signed in: %v", err)
	}
	for _, issuer := range []string{"https://other.example", "https://id.example"} {
		eva, err := c.Accounts.Upstream(t.Context(), issuer, "s1", account.Account{Name: "Eva", Roles: []account.Role{account.Proxy}})
		if err != nil {
			t.Fatal(err)
		}
		if issuer != "https://id.example" {
			continue // somebody else's subject is nobody here
		}
		c.granted(t, request)
		choices, err := c.Grants.Choices(t.Context(), &eva)
		if err != nil || len(choices) != 1 || choices[0].Patient.ID != "lena" {
			t.Errorf("she acts for %+v, %v", choices, err)
		}
	}
}
