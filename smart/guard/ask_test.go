package guard_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/smart/access"
)

// TestParametersOfTheClinicsOwnTellNothing asks by parameters that SearchParameter resources
// define, which may look at anything: they find nothing of others, and nothing that is
// hidden.
func TestParametersOfTheClinicsOwnTellNothing(t *testing.T) {
	t.Parallel()
	const parameter = `{"resourceType":"SearchParameter","id":%q,"url":"http://clinic.example/%[1]s","name":"x","status":"active","description":"x","code":%[1]q,"base":[%[2]q],"type":%[3]q,"expression":%[4]q}`
	f := newFixture(t, append(
		slices.Clone(severals),
		fmt.Sprintf(parameter, "called", "Patient", "string", "Patient.telecom.value"),
		fmt.Sprintf(parameter, "with", "Appointment", "string", "Appointment.participant.actor.display"),
		fmt.Sprintf(parameter, "words", "Condition", "string", "Condition.code.text"),
		`{"resourceType":"Patient","id":"p","telecom":[{"value":"555"}]}`,
		`{"resourceType":"Condition","id":"mine","subject":{"reference":"Patient/p"},"code":{"text":"zebra"}}`,
		`{"resourceType":"Condition","id":"theirs","subject":{"reference":"Patient/secret"},"code":{"text":"zebra"}}`,
	)...)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var maintaining sync.WaitGroup
	maintaining.Go(func() { f.records.Maintain(ctx, slog.New(slog.DiscardHandler)) })
	t.Cleanup(func() {
		stop()
		maintaining.Wait()
	})
	ready := func(typ fhir.Type, name string) bool {
		return slices.ContainsFunc(f.Describe(typ).Params, func(p *fhir.SearchParam) bool { return p.Name == name })
	}
	if !patience.Until(func() bool {
		return ready("Patient", "called") && ready("Appointment", "with") && ready("Condition", "words")
	}) {
		t.Fatal("the parameters are not there")
	}
	patient := as(t, access.Patient, "Patient/p", "p", "patient/*.rs")
	for _, tt := range []struct {
		column, typ, param string
		want               int // -1: refused
	}{
		{"", "Condition", "words=zebra", 1},
		{"", "Condition", "_content=zebra", 1},
		{"", "Patient", "called=555", 1},
		{"child", "Patient", "called=555", 1},
		{"limited", "Patient", "called=555", -1},
		{"limited", "Patient", "_sort=called", -1},
		{"limited", "Patient", "_content=555", -1},
		{"limited", "Patient", "_text=555", -1},
		{"limited", "Patient", "called:missing=true", -1},
		{"", "Appointment", "with=secret", -1},
		{"", "Appointment", "with:missing=true", -1},
		{"", "Appointment", "_sort=with", -1},
		{"child", "Appointment", "with=secret", -1},
	} {
		ctx := patient
		if tt.column != "" {
			f.proxy(t, "p", tt.column)
			ctx = as(t, access.Proxy, "RelatedPerson/r", "p", "patient/*.rs")
		}
		page, err := f.find(ctx, t, fhir.Type(tt.typ), tt.param)
		if refused := code(err) == fhir.CodeForbidden; refused != (tt.want < 0) || !refused && (err != nil || len(page.Resources) != tt.want) {
			t.Errorf("E9 %s?%s, by a %q: %d, %v", tt.typ, tt.param, tt.column, len(page.Resources), err)
		}
	}
}
