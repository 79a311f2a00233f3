package exact

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/join"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// definition is a SearchParameter that is in use.
func definition(code, typ, base, expression, more string) Resource {
	return Resource{Type: "SearchParameter", ID: code, Body: `{"url":"http://example.org/SearchParameter/` + code + `","name":"Custom","status":"active","description":"x",` +
		`"code":"` + code + `","base":["` + strings.ReplaceAll(base, ",", `","`) + `"],"type":"` + typ + `","expression":"` + expression + `"` + more + `}`}
}

// customs are parameters that SearchParameter resources define, one of each type.
func customs() []Resource {
	define := definition
	return []Resource{
		define("mood", "token", "Observation,Patient", "Observation.extension('urn:mood').value | Patient.extension('urn:mood').value", ""),
		define("remark", "string", "Observation", "Observation.note.text", ""),
		define("noted", "date", "Observation", "Observation.note.time", ""),
		define("weight", "quantity", "Observation", "Observation.extension('urn:weight').value", ""),
		define("rank", "number", "Observation", "Observation.extension('urn:rank').value", ""),
		define("source-uri", "uri", "Observation", "Observation.extension('urn:uri').value", ""),
		define("friend", "reference", "Patient", "Patient.extension('urn:friend').value", `,"target":["Patient"]`),
		define("dose", "composite", "Observation", "Observation.extension('urn:dose')", `,"component":[`+
			`{"definition":"http://hl7.org/fhir/SearchParameter/clinical-code","expression":"extension('of').value"},`+
			`{"definition":"http://example.org/SearchParameter/weight","expression":"extension('much').value"},`+
			`{"definition":"http://example.org/SearchParameter/noted","expression":"extension('when').value"}]`),
		define("anything", "token", "Resource", "Resource.meta.extension('urn:any').value", ""),
	}
}

// dose is an element of three parts.
func dose(code string, milligrams int, day string) string {
	return fmt.Sprintf(`{"url":"urn:dose","extension":[{"url":"of","valueCoding":{"system":"urn:s","code":%q}},`+
		`{"url":"much","valueQuantity":{"value":%d,"unit":"mg"}},{"url":"when","valueDateTime":%q}]}`, code, milligrams, day)
}

var customTable = Table{
	Type: "Observation",
	Resources: []Resource{
		{"Patient", "p", `{"extension":[{"url":"urn:mood","valueCode":"glad"},{"url":"urn:friend","valueReference":{"reference":"Patient/q"}}]}`},
		{"Patient", "q", `{"extension":[{"url":"urn:mood","valueCoding":{"system":"urn:s","code":"sad"}}],"name":[{"family":"Quist"}]}`},
		{"Observation", "a", `{"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"},"extension":[{"url":"urn:mood","valueCode":"glad"},
			{"url":"urn:weight","valueQuantity":{"value":70,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}},{"url":"urn:rank","valueInteger":3},
			{"url":"urn:uri","valueUri":"http://example.org/a/b"}],"note":[{"text":"Slept badly","time":"2026-01-02T03:04:05Z"}]}`},
		{"Observation", "b", `{"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/q"},"meta":{"extension":[{"url":"urn:any","valueCode":"thing"}]},
			"extension":[{"url":"urn:mood","valueCoding":{"system":"urn:s","code":"sad","display":"Sad"}},{"url":"urn:rank","valueDecimal":4.5}],"note":[{"text":"Élan"}]}`},
		{"Observation", "c", `{"status":"final","code":{"text":"x"},"extension":[` +
			dose("a", 5, "2026-01-02") + `,` + dose("b", 7, "2026-02-02") + `]}`},
		{"Observation", "d", `{"status":"final","code":{"text":"x"},"extension":[` +
			dose("a", 7, "2026-02-02") + `,{"url":"urn:dose","extension":[{"url":"of","valueCoding":{"code":"b"}}]}]}`},
		{"Observation", "e", `{"status":"final","code":{"text":"x"},"extension":[{"url":"urn:dose","extension":[{"url":"of","valueCoding":{"code":"b"}}]}]}`},
	},
	Searches: []Search{
		{Query: "mood=glad", IDs: []string{"a"}},
		{Query: "mood=urn:s|sad", IDs: []string{"b"}},
		{Query: "mood:not=glad", IDs: []string{"b", "c", "d", "e"}},
		{Query: "mood:text=sad", IDs: []string{"b"}},
		{Query: "mood:missing=true", IDs: []string{"c", "d", "e"}},
		{Query: "remark=elan", IDs: []string{"b"}},
		{Query: "remark:contains=bad", IDs: []string{"a"}},
		{Query: "noted=2026-01-02", IDs: []string{"a"}},
		{Query: "noted=gt2026-01-02"},
		{Query: "noted:missing=true", IDs: []string{"b", "c", "d", "e"}},
		{Query: "weight=70|http://unitsofmeasure.org|kg", IDs: []string{"a"}},
		{Query: "weight=gt71"},
		{Query: "rank=gt3", IDs: []string{"b"}},
		{Query: "rank=3", IDs: []string{"a"}},
		{Query: "source-uri:below=http://example.org/a", IDs: []string{"a"}},
		{Query: "anything=thing", IDs: []string{"b"}},
		{Query: "subject:Patient.mood=glad", IDs: []string{"a"}},
		{Query: "subject:Patient.friend=q", IDs: []string{"a"}},
		{Query: "subject:Patient.friend.name=quist", IDs: []string{"a"}},
		{Query: "patient._has:Patient:friend:mood=glad", IDs: []string{"b"}},
		{Query: "dose=a$5$2026-01-02", IDs: []string{"c"}},
		{Query: "dose=a$gt4$2026", IDs: []string{"c", "d"}},
		{Query: "dose=a$7||mg$2026-01"},
		{Query: "dose=urn:s|b$7$ge2026-02", IDs: []string{"c"}},
		{Query: "dose=urn:t|b$7$ge2026-02"},
		{Query: "dose=a$5$2026,a$7$2026", IDs: []string{"c", "d"}},
		{Query: "dose:missing=false", IDs: []string{"c", "d"}},
		{Query: "dose:missing=true&code:missing=false", IDs: []string{"a", "b", "e"}},
		{Query: "dose=a$5", Refused: "invalid"},
		{Query: "dose:exact=a$5$2026", Refused: "not-supported"},
		{Query: "mood:missing=false&_sort=dose", Refused: "not-supported"},
		{Query: "mood:exact=glad", Refused: "not-supported"},
		{Query: "noted=yesterday", Refused: "invalid"},
	},
}

func TestG7_20_ParametersOfEveryTypeAreSearchedByAsR4sOwn(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, name string, st store.Store) {
		define(t, newServer(t, st, time.UTC), customs())
		check(t, st, customTable)
	})
}

// define makes the parameters, and waits until they are searched by.
func define(t *testing.T, s *server, params []Resource) {
	t.Helper()
	records := s.Repository.Repository.(*join.Repository).Inner.(*record.Repository)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { records.Maintain(ctx, slog.New(slog.DiscardHandler)) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	for _, r := range params {
		if err := s.put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	unready := func(r Resource) bool {
		return !slices.ContainsFunc(fhir.Types(), func(t fhir.Type) bool {
			return slices.ContainsFunc(records.Describe(t).Params, func(p *fhir.SearchParam) bool { return p.Name == r.ID })
		})
	}
	if !patience.Until(func() bool { return !slices.ContainsFunc(params, unready) }) {
		t.Fatal("the parameters do not become ready")
	}
}

// usCoreOwn are parameters that US Core defines beside R4's, with its expressions.
func usCoreOwn() []Resource {
	return []Resource{
		definition("role", "token", "CareTeam", "CareTeam.participant.role", ""),
		definition("asserted-date", "date", "Condition", "Condition.extension.where(url = 'http://hl7.org/fhir/StructureDefinition/condition-assertedDate').valueDateTime", ""),
		definition("discharge-disposition", "token", "Encounter", "Encounter.hospitalization.dischargeDisposition", ""),
		definition("description", "token", "Goal", "Goal.description", ""),
		definition("race", "token", "Patient", "Patient.extension.where(url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension.value.code", ""),
	}
}

// usCoreOwnTables are searches by them, as US Core combines them.
func usCoreOwnTables() []Table {
	concept := func(code string) string {
		return `{"coding":[{"system":"http://snomed.info/sct","code":"` + code + `"}]}`
	}
	return []Table{
		{
			Type: "CareTeam", Resources: []Resource{
				{"CareTeam", "a", `{"status":"active","subject":{"reference":"Patient/p"},"participant":[{"role":[` + concept("1") + `]},{"role":[` + concept("2") + `]}]}`},
				{"CareTeam", "b", `{"status":"active","subject":{"reference":"Patient/q"},"participant":[{"role":[` + concept("2") + `]}]}`},
			}, Searches: []Search{
				{Query: "role=2", IDs: []string{"a", "b"}},
				{Query: "patient=p&role=http://snomed.info/sct|2", IDs: []string{"a"}},
				{Query: "patient=q&role=1"},
				{Query: "patient=p&status=active&role=1,2", IDs: []string{"a"}},
			},
		},
		{
			Type: "Condition", Resources: []Resource{
				{"Condition", "a", `{"subject":{"reference":"Patient/p"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/condition-assertedDate","valueDateTime":"2024-02-03"}]}`},
				{"Condition", "b", `{"subject":{"reference":"Patient/p"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/other","valueDateTime":"2024-02-03"}]}`},
			}, Searches: []Search{
				{Query: "patient=p&asserted-date=ge2024-02-03", IDs: []string{"a"}},
				{Query: "patient=p&asserted-date=lt2024-02-03"},
				{Query: "asserted-date:missing=true&patient=p", IDs: []string{"b"}},
			},
		},
		{
			Type: "Encounter", Resources: []Resource{
				{"Encounter", "a", `{"status":"finished","class":{"code":"IMP"},"subject":{"reference":"Patient/p"},"hospitalization":{"dischargeDisposition":` + concept("home") + `}}`},
			}, Searches: []Search{{Query: "patient=p&discharge-disposition=home", IDs: []string{"a"}}, {Query: "patient=p&discharge-disposition=hosp"}},
		},
		{
			Type: "Goal", Resources: []Resource{{"Goal", "a", `{"lifecycleStatus":"active","subject":{"reference":"Patient/p"},"description":` + concept("9") + `}`}},
			Searches: []Search{{Query: "patient=p&description=9", IDs: []string{"a"}}, {Query: "patient=p&description=8"}},
		},
		{
			Type: "Patient", Resources: []Resource{
				{"Patient", "a", `{"extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{"url":"ombCategory",` +
					`"valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2106-3"}},{"url":"text","valueString":"x"}]}]}`},
			}, Searches: []Search{{Query: "race=2106-3", IDs: []string{"a"}}, {Query: "race=1"}},
		},
	}
}

func TestParametersOfUSCoreThatR4DoesNotHave(t *testing.T) {
	t.Parallel()
	backends.Each(t, func(t *testing.T, name string, st store.Store) {
		define(t, newServer(t, st, time.UTC), usCoreOwn())
		for _, table := range usCoreOwnTables() {
			t.Run("F1 US Core's own parameters, "+table.Type, func(t *testing.T) { check(t, st, table) })
		}
	})
}
