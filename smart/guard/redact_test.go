package guard_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/smart/access"
)

// severals are resources of p's record that are of others', too. Whatever says "secret" is
// not for p.
var severals = []string{
	`{"resourceType":"Patient","id":"p"}`,
	`{"resourceType":"Patient","id":"secret"}`,
	`{"resourceType":"Practitioner","id":"d"}`,
	`{"resourceType":"RelatedPerson","id":"r","patient":{"reference":"Patient/p"}}`,
	`{"resourceType":"RelatedPerson","id":"secretMother","patient":{"reference":"Patient/secret"}}`,
	`{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`,
	`{"resourceType":"Appointment","id":"group","contained":[{"resourceType":"Patient","id":"secretChild"},{"resourceType":"Location","id":"room"}],"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">secret</div>"},` +
		`"status":"booked","start":"2026-06-01T10:00:00Z","supportingInformation":[{"reference":"#room"}],"participant":[` +
		`{"actor":{"reference":"Patient/secret","display":"secret"},"status":"declined"},` +
		`{"actor":{"reference":"Patient/p"},"status":"accepted"},` +
		`{"actor":{"reference":"RelatedPerson/secretMother"},"status":"tentative"},` +
		`{"actor":{"reference":"RelatedPerson/r"},"status":"accepted"},` +
		`{"actor":{"reference":"https://elsewhere.example/fhir/Patient/secret"},"status":"accepted"},` +
		`{"actor":{"type":"Patient","identifier":{"system":"urn:mrn","value":"secret"}},"status":"accepted"},` +
		`{"actor":{"reference":"#secretChild"},"status":"accepted"},` +
		`{"actor":{"display":"secret, who cannot be told"},"status":"accepted"},` +
		`{"actor":{"reference":"Practitioner/d"},"status":"accepted"}]}`,
	`{"resourceType":"Appointment","id":"alone","status":"booked","participant":[{"actor":{"reference":"Patient/p"},"status":"accepted"},{"actor":{"display":"Dr. Known"},"status":"accepted"}]}`,
	`{"resourceType":"AuditEvent","id":"audit","entity":[{"what":{"reference":"Patient/p/_history/2"}},{"what":{"reference":"Patient/secret"},"name":"secret"},{"query":"c2VjcmV0","name":"secret"},{"what":{"reference":"Observation/secret"}}]}`,
	`{"resourceType":"Communication","id":"news","status":"completed","recipient":[{"reference":"Patient/p"},{"reference":"Patient/secret"}],"sender":{"reference":"Practitioner/d"}}`,
	`{"resourceType":"Schedule","id":"home","actor":[{"reference":"Practitioner/d"},{"reference":"Patient/secret"}]}`,
	`{"resourceType":"Schedule","id":"ward","actor":[{"reference":"Practitioner/d"},{"reference":"Patient/p"}]}`,
	`{"resourceType":"Communication","id":"theirs","status":"completed","subject":{"reference":"Patient/p"},"recipient":[{"reference":"Patient/secret"}]}`,
}

// lookers are callers who may see p's record and nothing of secret's.
func lookers(t *testing.T, f *fixture) map[string]context.Context {
	f.proxy(t, "p", "child")
	return map[string]context.Context{
		"the patient": as(t, access.Patient, "Patient/p", "p", "patient/*.cruds"),
		"a proxy":     as(t, access.Proxy, "RelatedPerson/r", "p", "patient/*.cruds"),
		"a clinician": as(t, access.Clinician, "Practitioner/d", "", "user/*.cruds"),
	}
}

func TestOthersAreLeftOutOfWhatSeveralShare(t *testing.T) {
	t.Parallel()
	f := newFixture(t, severals...)
	for name, ctx := range lookers(t, f) {
		for _, id := range []string{"Appointment/group", "AuditEvent/audit", "Communication/news", "Communication/theirs", "Schedule/home"} {
			typ, id, _ := strings.Cut(id, "/")
			key := fhir.Key{Type: fhir.Type(typ), ID: id}
			res, err := f.Read(ctx, key)
			if name == "a proxy" && typ == "AuditEvent" {
				if code(err) != fhir.CodeNotFound {
					t.Errorf("E11 %s reads %s: %v", name, key, err)
				}
				continue
			}
			version, err2 := f.Version(ctx, key, "1")
			history, err3 := f.History(ctx, fhir.HistoryQuery{Key: key, Count: 5})
			page, err4 := f.find(ctx, t, key.Type, "_id="+key.ID)
			if err != nil || err2 != nil || err3 != nil || err4 != nil || len(history.Resources) != 1 || len(page.Resources) != 1 {
				t.Fatalf("E9 %s: %v %v %v %v", key, err, err2, err3, err4)
			}
			for _, body := range [][]byte{res.Body, version.Body, history.Resources[0].Body, page.Resources[0].Body} {
				if strings.Contains(string(body), "secret") {
					t.Errorf("E9 %s sees %s", name, body)
				}
				for _, mark := range []string{`"SUBSETTED"`, `"REDACTED"`} {
					if !strings.Contains(string(body), mark) {
						t.Errorf("E9 %s is not told by %s that something is left out: %s", name, mark, body)
					}
				}
			}
		}
		res, err := f.Read(ctx, fhir.Key{Type: "Appointment", ID: "group"})
		for _, kept := range []string{"Patient/p", "RelatedPerson/r", "Practitioner/d", `"room"`} {
			if err != nil || !strings.Contains(string(res.Body), kept) {
				t.Errorf("E9 %s does not see %s: %s, %v", name, kept, res.Body, err)
			}
		}
		if res, err = f.Read(ctx, fhir.Key{Type: "Appointment", ID: "alone"}); err != nil || !strings.Contains(string(res.Body), "Dr. Known") || strings.Contains(string(res.Body), "SUBSETTED") {
			t.Errorf("E9 nothing is left out where there are no others: %s, %v", res.Body, err)
		}
	}
	whole, err := f.Read(as(t, access.System, "", "", "system/*.rs"), fhir.Key{Type: "Appointment", ID: "group"})
	if err != nil || strings.Count(string(whole.Body), "secret") != strings.Count(severals[6], "secret") {
		t.Errorf("E10 a backend service sees all: %s, %v", whole.Body, err)
	}
}

func TestProxiesSeeWhatTheyDidThemselves(t *testing.T) {
	t.Parallel()
	const event = `{"resourceType":"AuditEvent","id":"%s","agent":[{"who":{"reference":"%s"},"requestor":true}],"entity":[{"what":{"reference":"Patient/p"}}]}`
	f := newFixture(
		t, fmt.Sprintf(event, "own", "RelatedPerson/r"), fmt.Sprintf(event, "mothers", "RelatedPerson/m"), fmt.Sprintf(event, "doctors", "Practitioner/d"),
		strings.Replace(fmt.Sprintf(event, "elsewhere", "RelatedPerson/r"), "Patient/p", "Patient/q", 1),
	)
	for _, column := range []string{"child", "limited"} {
		f.proxy(t, "p", column)
		page, err := f.find(as(t, access.Proxy, "RelatedPerson/r", "p", "patient/AuditEvent.rs"), t, "AuditEvent")
		if err != nil || len(page.Resources) != 1 || page.Resources[0].ID != "own" {
			t.Errorf("E11 with the column %s: %v, %v", column, page.Resources, err)
		}
	}
	if page, err := f.find(as(t, access.Patient, "Patient/p", "p", "patient/AuditEvent.rs"), t, "AuditEvent"); err != nil || len(page.Resources) != 3 {
		t.Errorf("E5 the patient: %v, %v", page.Resources, err)
	}
}

func TestWhatIsLeftOutIsNotFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t, severals...)
	for _, tt := range []struct {
		typ   fhir.Type
		param string
		want  []string // nil: refused
	}{
		{"Appointment", "actor=Patient/p", []string{"alone", "group"}},
		{"Appointment", "actor=Patient/secret", []string{}},
		{"Appointment", "actor=Patient/secret,Patient/p", []string{"alone", "group"}},
		{"Appointment", "patient=secret", []string{}},
		{"Appointment", "actor=RelatedPerson/secretMother", []string{}},
		{"Appointment", "actor=RelatedPerson/r", []string{"group"}},
		{"Appointment", "practitioner=Practitioner/d", []string{"group"}},
		{"Appointment", "actor=https://elsewhere.example/fhir/Patient/secret", []string{}},
		{"Appointment", "actor:identifier=urn:mrn|secret", []string{}},
		{"Appointment", "part-status=declined", []string{}},
		{"Appointment", "part-status=accepted", []string{"alone", "group"}},
		{"Appointment", "part-status:not=declined", []string{"alone", "group"}},
		{"Appointment", "part-status:not=accepted", []string{}},
		{"Appointment", "_text=secret", []string{}},
		{"Appointment", "_content=secret", []string{}},
		{"Appointment", "_sort=actor", nil},
		{"Appointment", "_sort=part-status", nil},
		{"AuditEvent", "entity=Patient/secret", []string{}},
		{"AuditEvent", "entity-name=secret", []string{}},
		{"AuditEvent", "entity-name:missing=true", []string{"audit"}},
		{"AuditEvent", "entity-name:missing=false", []string{}},
		{"AuditEvent", "entity=Observation/secret", []string{}},
		{"Communication", "recipient=Patient/secret", []string{}},
		{"Communication", "recipient:missing=true", []string{"theirs"}},
		{"Communication", "recipient=Patient/p", []string{"news"}},
		{"Schedule", "actor=Patient/secret", []string{}},
		{"Schedule", "actor=Patient/p", []string{"ward"}},
		{"Schedule", "actor=Practitioner/d", []string{"home", "ward"}},
	} {
		for name, ctx := range lookers(t, f) {
			if name == "a proxy" && tt.typ == "AuditEvent" {
				continue
			}
			for _, count := range []int{0, 1, 50} {
				p := search.Parser{Base: base, Describe: f.Describe, DefaultCount: 50, MaxCount: 50}
				param, value, _ := strings.Cut(tt.param, "=")
				req, err := p.Parse(tt.typ, []search.Pair{{Name: param, Value: value}, {Name: "_count", Value: fmt.Sprint(count)}, {Name: "_total", Value: "accurate"}}, false, "")
				if err != nil {
					if tt.want != nil {
						t.Fatal(tt.param, err)
					}
					continue
				}
				got := []string{}
				for q := *req.Query; ; {
					page, err := f.Search(ctx, &q)
					if tt.want == nil {
						if code(err) != fhir.CodeForbidden {
							t.Errorf("E9 %s asks %s?%s: %v", name, tt.typ, tt.param, err)
						}
						break
					}
					if err != nil || page.Total == nil || *page.Total != int64(len(tt.want)) {
						t.Fatalf("E9 %s asks %s?%s: %v, %v", name, tt.typ, tt.param, page, err)
					}
					if len(page.Resources) == 0 && page.Next != "" {
						t.Errorf("E9 %s is told by an empty page that %s?%s finds something", name, tt.typ, tt.param)
					}
					for _, res := range page.Resources {
						got = append(got, res.ID)
					}
					if q.Cursor = page.Next; q.Cursor == "" {
						break
					}
				}
				if slices.Sort(got); tt.want != nil && count > 0 && !slices.Equal(got, tt.want) {
					t.Errorf("E9 %s asks %s?%s by %d: %v, want %v", name, tt.typ, tt.param, count, got, tt.want)
				}
			}
		}
	}
}

func TestWhatIsLeftOutStaysAsItIs(t *testing.T) {
	t.Parallel()
	group := fhir.Key{Type: "Appointment", ID: "group"}
	for claim, tt := range map[string]struct {
		who  string // who may; others are refused
		edit func(string) string
		want func(string) string // of what is stored
	}{
		"sent back as it was seen": {
			"the patient, a clinician", func(s string) string { return s }, func(s string) string { return s },
		},
		"sent back without the marks": {
			"the patient, a clinician", func(s string) string { return s[:strings.Index(s, `"meta"`)] + s[strings.Index(s, `"contained"`):] }, func(s string) string { return s },
		},
		"declined": {
			"the patient, a clinician",
			func(s string) string {
				return strings.Replace(s, `"Patient/p"},"status":"accepted"`, `"Patient/p"},"status":"declined"`, 1)
			},
			func(s string) string {
				s = s[:strings.Index(s, `"text"`)] + s[strings.Index(s, `"status":"booked"`):] // it would tell what is no longer so
				return strings.Replace(s, `"Patient/p"},"status":"accepted"`, `"Patient/p"},"status":"declined"`, 1)
			},
		},
		"canceled for all": {
			"a clinician", func(s string) string { return strings.Replace(s, "booked", "cancelled", 1) },
			func(s string) string {
				s = s[:strings.Index(s, `"text"`)] + s[strings.Index(s, `"status":"booked"`):]
				return strings.Replace(s, "booked", "cancelled", 1)
			},
		},
		"with somebody who is left out brought in": {
			"", func(s string) string {
				return strings.Replace(s, `"participant":[`, `"participant":[{"actor":{"reference":"Patient/secret"},"status":"accepted"},`, 1)
			}, nil,
		},
	} {
		for _, name := range []string{"the patient", "a clinician"} {
			f := newFixture(t, severals...)
			ctx := lookers(t, f)[name]
			seen, err := f.Read(ctx, group)
			if err != nil {
				t.Fatal(err)
			}
			body, want := tt.edit(string(seen.Body)), tt.want
			results, err := f.Commit(ctx, []fhir.Change{{Method: fhir.Put, Key: group, IfMatch: seen.Version, Body: []byte(body)}})
			if !strings.Contains(tt.who, name) {
				if code(err) != fhir.CodeBusinessRule {
					t.Errorf("E10 %s, by %s: %v", claim, name, err)
				}
				want = func(s string) string { return s }
			} else {
				if err != nil {
					t.Fatalf("E10 %s, by %s: %v", claim, name, err)
				}
				if strings.Contains(string(results[0].Resource.Body), "secret") {
					t.Errorf("E9 %s is answered with %s", claim, results[0].Resource.Body)
				}
			}
			stored, err := f.records.Read(t.Context(), group)
			if err != nil {
				t.Fatal(err)
			}
			was, is := decode[map[string]any](t, []byte(want(severals[6]))), decode[map[string]any](t, stored.Body)
			delete(is, "meta")
			if fmt.Sprint(was) != fmt.Sprint(is) {
				t.Errorf("E10 %s, by %s, the appointment is now\n%v\nwant\n%v", claim, name, is, was)
			}
			if claim == "sent back as it was seen" && stored.Version != "1" {
				t.Errorf("E10 %s made a version", claim)
			}
		}
	}
}

func TestAConditionalCreateDoesNotFindWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, severals...)
	ctx := lookers(t, f)["the patient"]
	for param, want := range map[string]fhir.IssueCode{"actor=Patient/secret": "", "part-status=declined": fhir.CodeForbidden, "actor=Patient/p": fhir.CodeDuplicate} {
		p := search.Parser{Base: base, Describe: f.Describe, DefaultCount: 2, MaxCount: 2}
		name, value, _ := strings.Cut(param, "=")
		req, err := p.Parse("Appointment", []search.Pair{{Name: name, Value: value}}, false, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Commit(ctx, []fhir.Change{{
			Method: fhir.Create, Key: fhir.Key{Type: "Appointment"}, IfNoneExist: &fhir.Condition{Name: "Appointment?" + param, Query: req.Query},
			Body: []byte(`{"resourceType":"Appointment","status":"proposed","participant":[{"actor":{"reference":"Patient/p"},"status":"accepted"}]}`),
		}})
		if code(err) != want {
			t.Errorf("E9 unless there is Appointment?%s: %v", param, err)
		}
	}
}
