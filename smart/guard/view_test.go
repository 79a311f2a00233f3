package guard_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

func TestWithoutAnAccessNothingIsPermitted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, ward...)
	for name, tt := range map[string]struct {
		ctx  context.Context
		want fhir.IssueCode
	}{
		"none":              {t.Context(), fhir.CodeLogin},
		"that of nobody":    {access.With(t.Context(), new(access.Access)), fhir.CodeLogin},
		"without scopes":    {as(t, access.Patient, "Patient/p", "p", ""), fhir.CodeForbidden},
		"with system scope": {as(t, access.Patient, "Patient/p", "p", "system/*.cruds"), fhir.CodeForbidden},
		"for writing":       {as(t, access.Patient, "Patient/p", "p", "user/Flag.rs"), fhir.CodeForbidden},
		"of a system":       {as(t, access.System, "", "", "user/*.cruds patient/*.cruds"), fhir.CodeForbidden},
	} {
		key := fhir.Key{Type: "Patient", ID: "p"}
		_, err1 := f.Read(tt.ctx, key)
		_, err2 := f.Version(tt.ctx, key, "1")
		_, err3 := f.History(tt.ctx, fhir.HistoryQuery{Key: key, Count: 1})
		_, err4 := f.Search(tt.ctx, &fhir.Query{Type: "Patient", Count: 1})
		_, err5 := f.Commit(tt.ctx, []fhir.Change{{Method: fhir.Delete, Key: key}})
		_, err6 := f.History(tt.ctx, fhir.HistoryQuery{Key: fhir.Key{Type: "Patient"}, Count: 1})
		for i, err := range []error{err1, err2, err3, err4, err5, err6} {
			if code(err) != tt.want {
				t.Errorf("E1 E2 %s, %d: %v", name, i, err)
			}
		}
		if fhir.MaySearch(tt.ctx, f, "Patient") {
			t.Errorf("E2 %s: may search", name)
		}
	}
}

// TestLetters has what each letter permits, by interaction.
func TestLetters(t *testing.T) {
	t.Parallel()
	const body = `{"resourceType":"Observation","id":"own","status":"final","category":[{"coding":[{"code":"vital-signs"}]}],"subject":{"reference":"Patient/p"},"performer":[{"reference":"Patient/p"}]}`
	key := fhir.Key{Type: "Observation", ID: "own"}
	interactions := []struct {
		name    string
		letters string // any of which permits it
		do      func(*fixture, context.Context) error
	}{
		{"read", "r", func(f *fixture, ctx context.Context) error { _, err := f.Read(ctx, key); return err }},
		{"vread", "r", func(f *fixture, ctx context.Context) error { _, err := f.Version(ctx, key, "1"); return err }},
		{"history of an instance", "r", func(f *fixture, ctx context.Context) error {
			_, err := f.History(ctx, fhir.HistoryQuery{Key: key, Count: 1})
			return err
		}},
		{"search", "s", func(f *fixture, ctx context.Context) error {
			_, err := f.Search(ctx, &fhir.Query{Type: "Observation", Count: 1})
			return err
		}},
		{"create", "c", func(f *fixture, ctx context.Context) error {
			_, err := f.Commit(ctx, []fhir.Change{{Method: fhir.Create, Key: fhir.Key{Type: "Observation"}, Body: []byte(strings.Replace(body, `"id":"own",`, "", 1))}})
			return err
		}},
		{"update", "u", func(f *fixture, ctx context.Context) error {
			_, err := f.Commit(ctx, []fhir.Change{{Method: fhir.Put, Key: key, Body: []byte(body)}})
			return err
		}},
		{"patch", "u", func(f *fixture, ctx context.Context) error {
			if _, err := f.Read(fhir.ForChange(ctx, fhir.Patch), key); err != nil {
				return err
			}
			_, err := f.Commit(ctx, []fhir.Change{{Method: fhir.Patch, Key: key, Body: []byte(body), IfMatch: "1"}})
			return err
		}},
		{"delete", "d", func(f *fixture, ctx context.Context) error {
			_, err := f.Commit(ctx, []fhir.Change{{Method: fhir.Delete, Key: key}})
			return err
		}},
	}
	for _, permission := range []string{"c", "r", "u", "d", "s", "cr", "rs", "cruds", "read", "write", "*"} {
		set, _ := scope.Parse("user/Observation." + permission)
		for _, i := range interactions {
			t.Run("E3 "+permission+" "+i.name, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, body, `{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`)
				err := i.do(f, as(t, access.Clinician, "Practitioner/d", "", "user/Observation."+permission))
				letter := scope.Letters(1) << strings.Index("cruds", i.letters)
				granted, _ := set.Allows(scope.User, "Observation", letter)
				if granted != (err == nil) || !granted && code(err) != fhir.CodeForbidden {
					t.Errorf("granted %v: %v", granted, err)
				}
			})
		}
	}
}

func TestWhatConfersNothing(t *testing.T) {
	t.Parallel()
	for claim, subject := range map[string]string{
		"a version of the patient":    `{"reference":"Patient/p/_history/1"}`,
		"a contained patient":         `{"reference":"#p"}`,
		"a patient of another server": `{"reference":"https://elsewhere.example/fhir/Patient/p"}`,
		"a longer id":                 `{"reference":"Patient/p2"}`,
		"another type":                `{"reference":"Group/p"}`,
		"a malformed reference":       `{"reference":"Patient//p"}`,
		"a bare id":                   `{"reference":"p"}`,
		"an identifier":               `{"identifier":{"value":"Patient/p"}}`,
		"a display":                   `{"display":"Patient/p"}`,
		"a fragment of the patient":   `{"reference":"Patient/p#x"}`,
		"an extension":                `{"extension":[{"url":"x","valueReference":{"reference":"Patient/p"}}]}`,
		"another case":                `{"reference":"patient/p"}`,
	} {
		t.Run("E5 "+claim, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, `{"resourceType":"Observation","id":"o","contained":[{"resourceType":"Patient","id":"p"}],"subject":`+subject+`,"performer":[{"reference":"Patient/p"}],"focus":[{"reference":"Patient/p"}]}`)
			ctx := as(t, access.Patient, "Patient/p", "p", "patient/*.rs")
			if _, err := f.Read(ctx, fhir.Key{Type: "Observation", ID: "o"}); code(err) != fhir.CodeNotFound {
				t.Errorf("it is read: %v", err)
			}
			for _, params := range [][]string{nil, {"patient=Patient/p"}, {"subject=Patient/p"}, {"performer=Patient/p"}, {"_id=o"}} {
				if page, err := f.find(ctx, t, "Observation", params...); err != nil || len(page.Resources) > 0 {
					t.Errorf("%v finds it: %v", params, err)
				}
			}
		})
	}
	for claim, subject := range map[string]string{
		"the patient":                            `{"reference":"Patient/p"}`,
		"the patient, as an absolute URL":        `{"reference":"` + base + `/Patient/p"}`,
		"the patient, written with escapes":      `{"refer\u0065nce":"Patient\/p"}`,
		"the patient beside a display before it": `{"display":"x{\"}","reference":"Patient/p"}`,
	} {
		t.Run("E5 but "+claim, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, `{"resourceType":"Observation","id":"o","subject":`+subject+`}`)
			ctx := as(t, access.Patient, "Patient/p", "p", "patient/*.rs")
			if _, err := f.Read(ctx, fhir.Key{Type: "Observation", ID: "o"}); err != nil {
				t.Errorf("it is not read: %v", err)
			}
			if page, err := f.find(ctx, t, "Observation"); err != nil || len(page.Resources) != 1 {
				t.Errorf("it is not found: %v", err)
			}
		})
	}
}

func TestVersionsAreJudgedOneByOne(t *testing.T) {
	t.Parallel()
	const body = `{"resourceType":"Observation","id":"o","status":"%s","subject":{"reference":"Patient/%s"}}`
	f := newFixture(t)
	for _, v := range []struct{ status, patient string }{{"registered", "q"}, {"preliminary", "p"}, {"final", "p"}, {"amended", "q"}} {
		f.put(t, fmt.Sprintf(body, v.status, v.patient))
	}
	key := fhir.Key{Type: "Observation", ID: "o"}
	ctx := as(t, access.Patient, "Patient/p", "p", "patient/*.rs")
	for version, want := range map[string]fhir.IssueCode{"1": fhir.CodeNotFound, "2": "", "3": "", "4": fhir.CodeNotFound, "5": fhir.CodeNotFound} {
		if _, err := f.Version(ctx, key, version); code(err) != want {
			t.Errorf("E9 version %s: %v", version, err)
		}
	}
	if _, err := f.Read(ctx, key); code(err) != fhir.CodeNotFound {
		t.Errorf("E9 it is another patient's now: %v", err)
	}
	var got []string
	q := fhir.HistoryQuery{Key: key, Count: 1}
	for {
		page, err := f.History(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		if page.Total != nil && *page.Total != 2 {
			t.Errorf("E9 a total of %d", *page.Total)
		}
		for _, res := range page.Resources {
			got = append(got, res.Version)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if !slices.Equal(got, []string{"3", "2"}) {
		t.Errorf("E9 the history has %v", got)
	}
	other := as(t, access.Patient, "Patient/z", "z", "patient/*.rs")
	if _, err := f.History(other, fhir.HistoryQuery{Key: key, Count: 5}); code(err) != fhir.CodeNotFound {
		t.Errorf("E9 the history of what is not seen: %v", err)
	}
}

// forgetful is an EHR that cannot say what anything was like.
type forgetful struct{ fhir.Repository }

func (r forgetful) History(ctx context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	if _, err := r.Read(ctx, q.Key); err != nil {
		return fhir.Page{}, err
	}
	return fhir.Page{}, fhir.Errorf(fhir.CodeNotSupported, "http._at", "The EHR does not say what %s was like then.", q.Key)
}

func TestWhyAHistoryCannotBeToldIsToldToThoseWhoSeeIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `{"resourceType":"Patient","id":"p"}`, `{"resourceType":"Patient","id":"q"}`)
	f.Inner = forgetful{f.records}
	ctx := as(t, access.Patient, "Patient/p", "p", "patient/*.rs")
	for id, want := range map[string]fhir.IssueCode{"p": fhir.CodeNotSupported, "q": fhir.CodeNotFound, "never": fhir.CodeNotFound} {
		key := fhir.Key{Type: "Patient", ID: id}
		_, err := f.History(ctx, fhir.HistoryQuery{Key: key, Count: 1})
		if _, unseen := f.Read(ctx, key); code(err) != want || want == fhir.CodeNotFound && told(key, nil, err) != told(key, nil, unseen) {
			t.Errorf("E9 the history of %s: %v", key, err)
		}
	}
}

func TestWhatIsDeletedIsGoneOnlyForThoseWhoSawIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/p"}}`)
	key := fhir.Key{Type: "Observation", ID: "o"}
	if _, err := f.records.Commit(t.Context(), []fhir.Change{{Method: fhir.Delete, Key: key}}); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[string]fhir.IssueCode{"p": fhir.CodeDeleted, "q": fhir.CodeNotFound} {
		ctx := as(t, access.Patient, "Patient/"+who, who, "patient/*.cruds")
		res, err := f.Read(ctx, key)
		if code(err) != want || res.Deleted != (want == fhir.CodeDeleted) {
			t.Errorf("E9 read by %s: %v, %v", who, res, err)
		}
		res, err = f.Version(ctx, key, "2")
		if code(err) != want || res.Deleted != (want == fhir.CodeDeleted) {
			t.Errorf("E9 vread by %s: %v, %v", who, res, err)
		}
		page, err := f.History(ctx, fhir.HistoryQuery{Key: key, Count: 5})
		if want == fhir.CodeDeleted && len(page.Resources) != 2 || want == fhir.CodeNotFound && code(err) != want {
			t.Errorf("E9 history by %s: %v, %v", who, page, err)
		}
	}
}

func TestTheTeenagersContactPointsAreNotShownToParents(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `{"resourceType":"Patient","id":"p","text":{"status":"generated","div":"<div>555-1234</div>"},"name":[{"family":"Shaw"}],"telecom":[{"system":"phone","value":"555-1234"}],"address":[{"city":"Oslo"}],"contact":[{"name":{"family":"Other"}}],"gender":"female"}`)
	f.proxy(t, "p", "limited")
	ctx := as(t, access.Proxy, "RelatedPerson/r", "p", "patient/*.cruds")
	key := fhir.Key{Type: "Patient", ID: "p"}
	res, err := f.Read(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	page, err := f.find(ctx, t, "Patient")
	if err != nil || len(page.Resources) != 1 {
		t.Fatal(page, err)
	}
	history, err := f.History(ctx, fhir.HistoryQuery{Key: key, Count: 1})
	if err != nil || len(history.Resources) != 1 {
		t.Fatal(history, err)
	}
	for _, body := range [][]byte{res.Body, page.Resources[0].Body, history.Resources[0].Body} {
		want := `{"resourceType":"Patient","id":"p","meta":{"lastUpdated":"2026-05-01T10:00:00.000Z","security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}],` +
			`"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}],"versionId":"1"},"name":[{"family":"Shaw"}],"gender":"female"}`
		if string(body) != want {
			t.Errorf("E11 shown is %s", body)
		}
	}
	for _, param := range []string{"phone=555-1234", "telecom=555-1234", "address=Oslo", "address-city:missing=true"} {
		if _, err := f.find(ctx, t, "Patient", param); code(err) != fhir.CodeForbidden {
			t.Errorf("E11 searching by %s: %v", param, err)
		}
	}
}

func TestABinaryIsSeenWithItsDocument(t *testing.T) {
	t.Parallel()
	f := newFixture(
		t,
		`{"resourceType":"Binary","id":"b","contentType":"text/plain","data":"eA=="}`,
		`{"resourceType":"Binary","id":"c","contentType":"text/plain","data":"eA=="}`,
		`{"resourceType":"Binary","id":"loose","contentType":"text/plain","data":"eA=="}`,
		`{"resourceType":"DocumentReference","id":"d","subject":{"reference":"Patient/p"},"content":[{"attachment":{"url":"Binary/b"}}]}`,
		`{"resourceType":"DocumentReference","id":"e","subject":{"reference":"Patient/q"},"content":[{"attachment":{"url":"`+base+`/Binary/c"}}]}`,
	)
	f.proxy(t, "p", "limited")
	for _, tt := range []struct {
		who  string
		ctx  context.Context
		seen string
	}{
		{"p", as(t, access.Patient, "Patient/p", "p", "patient/Binary.rs"), "b"},
		{"q", as(t, access.Patient, "Patient/q", "q", "patient/Binary.rs"), "c"},
		{"a parent of a teenager", as(t, access.Proxy, "RelatedPerson/r", "p", "patient/Binary.rs"), ""},
		{"a system", as(t, access.System, "", "", "system/Binary.rs"), "b c loose"},
	} {
		for _, id := range []string{"b", "c", "loose"} {
			_, err := f.Read(tt.ctx, fhir.Key{Type: "Binary", ID: id})
			if want := slices.Contains(strings.Fields(tt.seen), id); want != (err == nil) {
				t.Errorf("E5 %s reads %s: %v", tt.who, id, err)
			}
		}
	}
}

func TestHistoriesOfSeveralResources(t *testing.T) {
	t.Parallel()
	f := newFixture(t, ward...)
	f.put(t, `{"resourceType":"Practitioner","id":"d"}`)
	for name, tt := range map[string]struct {
		ctx  context.Context
		key  fhir.Key
		want fhir.IssueCode
	}{
		"of a type, by a patient":                        {as(t, access.Patient, "Patient/p", "p", "patient/*.rs"), fhir.Key{Type: "Observation"}, fhir.CodeForbidden},
		"of a shared type, by a patient":                 {as(t, access.Patient, "Patient/p", "p", "patient/*.rs"), fhir.Key{Type: "Practitioner"}, ""},
		"of all, by a patient":                           {as(t, access.Patient, "Patient/p", "p", "patient/*.rs"), fhir.Key{}, fhir.CodeForbidden},
		"of all, by a clinician":                         {as(t, access.Clinician, "Practitioner/d", "", "user/*.rs"), fhir.Key{}, fhir.CodeForbidden},
		"of a type, by a system":                         {as(t, access.System, "", "", "system/Observation.s"), fhir.Key{Type: "Observation"}, ""},
		"of a type, by a system that may only read":      {as(t, access.System, "", "", "system/Observation.r"), fhir.Key{Type: "Observation"}, fhir.CodeForbidden},
		"of a type, by a system that sees a part":        {as(t, access.System, "", "", "system/Observation.s?category=x"), fhir.Key{Type: "Observation"}, fhir.CodeForbidden},
		"of all, by a system, are those of its types":    {as(t, access.System, "", "", "system/Flag.s"), fhir.Key{}, ""},
		"of all, by a system that sees a part of a type": {as(t, access.System, "", "", "system/Flag.s system/Observation.s?category=x"), fhir.Key{}, fhir.CodeForbidden},
	} {
		page, err := f.History(tt.ctx, fhir.HistoryQuery{Key: tt.key, Count: 100})
		if code(err) != tt.want {
			t.Errorf("E3 %s: %v", name, err)
		}
		for _, res := range page.Resources {
			if strings.HasSuffix(name, "those of its types") && res.Type != "Flag" {
				t.Errorf("E3 %s: shows %s", name, res.Key)
			}
		}
	}
}

// TestEveryRoutedTypeHasARule fails when a type is served of which nobody said who
// may see it, or whose rule nothing offered can be asked by.
func TestEveryRoutedTypeHasARule(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, repo := range map[string]*router.Router{"records": {Records: f.records}, "the demo clinic": {Mapped: demo(t), Records: f.records}} {
		for _, typ := range fhir.Types() {
			can := repo.Describe(typ)
			if can.None() {
				continue
			}
			switch f.Policy.Class(typ) {
			case 0:
				t.Errorf("E5 %s: nobody said who may see a %s", name, typ)
			case policy.Record:
				offered := func(p string) bool {
					return slices.ContainsFunc(can.Params, func(o *fhir.SearchParam) bool { return o.Name == p })
				}
				if !slices.ContainsFunc(f.Policy.Record[typ].Params, offered) {
					t.Errorf("E5 %s: of a %s it cannot be asked whose record it is part of", name, typ)
				}
			}
		}
	}
}

func TestNamingOthersBesideOneselfFindsOneself(t *testing.T) {
	t.Parallel()
	f := newFixture(
		t, `{"resourceType":"Observation","id":"p1","subject":{"reference":"Patient/p"}}`, `{"resourceType":"Observation","id":"q1","subject":{"reference":"Patient/q"}}`,
		`{"resourceType":"Appointment","id":"both","participant":[{"actor":{"reference":"Patient/p"}},{"actor":{"reference":"Patient/q"}}]}`,
	)
	ctx := as(t, access.Patient, "Patient/p", "p", "patient/*.rs")
	for _, tt := range []struct {
		typ   fhir.Type
		param string
		want  int
	}{
		{"Observation", "patient=Patient/p,Patient/q", 1},
		{"Observation", "patient=Patient/q,Patient/p", 1},
		{"Observation", "patient=Patient/q", 0},
		{"Observation", "subject=Patient/p", 1},
		{"Observation", "patient:missing=false", 1},
		{"Observation", "_id=p1,q1", 1},
		{"Patient", "_id=p,q", 0},
		{"Appointment", "patient=Patient/q", 0}, // with whom p shares it is not for p to know
		{"Appointment", "actor=Patient/p,Patient/q", 1},
	} {
		p := search.Parser{Base: base, Describe: f.Describe, DefaultCount: 100, MaxCount: 100}
		name, value, _ := strings.Cut(tt.param, "=")
		req, err := p.Parse(tt.typ, []search.Pair{{Name: name, Value: value}, {Name: "_total", Value: "accurate"}}, false, "")
		if err != nil {
			t.Fatal(err)
		}
		page, err := f.Search(ctx, req.Query)
		if err != nil || len(page.Resources) != tt.want || *page.Total != int64(tt.want) {
			t.Errorf("E9 %s?%s: %d of %v, %v", tt.typ, tt.param, len(page.Resources), page.Total, err)
		}
	}
}

func TestAPatientIsWhomTheTokenIsFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, ward...)
	for claim, tt := range map[string]struct {
		ctx  context.Context
		want fhir.IssueCode
	}{
		"of their own record":                            {as(t, access.Patient, "Patient/p", "p", "patient/*.rs"), ""},
		"of their own record, with a user scope":         {as(t, access.Patient, "Patient/p", "p", "user/*.rs"), ""},
		"of their own record, without a context":         {as(t, access.Patient, "Patient/p", "", "user/*.rs"), ""},
		"of nobody's record, without a context":          {as(t, access.Patient, "Patient/p", "", "patient/*.rs"), fhir.CodeNotFound},
		"in the context of another":                      {as(t, access.Patient, "Patient/p", "q", "patient/*.rs"), fhir.CodeNotFound},
		"in the context of another, with a user scope":   {as(t, access.Patient, "Patient/p", "q", "user/*.rs"), fhir.CodeNotFound},
		"who is a practitioner":                          {as(t, access.Patient, "Practitioner/p", "p", "patient/*.rs"), fhir.CodeNotFound},
		"who is nobody":                                  {as(t, access.Patient, "", "", "user/*.rs"), fhir.CodeNotFound},
		"as a clinician who is a patient":                {as(t, access.Clinician, "Patient/p", "p", "user/*.rs"), fhir.CodeNotFound},
		"as a proxy without a grant that is known":       {as(t, access.Proxy, "RelatedPerson/r", "p", "patient/*.rs"), fhir.CodeNotFound},
		"as a proxy who is the patient, without a grant": {as(t, access.Proxy, "Patient/p", "p", "patient/*.rs"), fhir.CodeNotFound},
	} {
		if _, err := f.Read(tt.ctx, fhir.Key{Type: "Condition", ID: "c"}); code(err) != tt.want {
			t.Errorf("E10 a token %s: %v", claim, err)
		}
	}
}
