package policy_test

import (
	"testing"

	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

func TestScopesThatOpenNothingGo(t *testing.T) {
	t.Parallel()
	p := standard(t)
	for _, tt := range []struct{ claim, column, asked, want string }{
		{"E11 a child's parent keeps what was asked for", "child", "openid launch/patient patient/Observation.rs patient/Appointment.cruds patient/*.rs", "openid launch/patient patient/Observation.rs patient/Appointment.cruds patient/*.rs"},
		{"E11 a teenager's parent sees no results", "limited", "patient/Observation.rs patient/Observation.rs?category=x patient/Immunization.rs", "patient/Immunization.rs"},
		{"E11 a teenager's parent asks for appointments without seeing them", "limited", "patient/Appointment.cruds", "patient/Appointment.cud"},
		{"E11 nor in the spelling of SMART 1", "limited", "patient/Appointment.* patient/Appointment.read patient/Immunization.read", "patient/Appointment.cud patient/Immunization.read"},
		{"E11 nothing is written where nothing may be", "child", "patient/Immunization.cruds", "patient/Immunization.rs"},
		{"E11 what is about no patient stays", "limited", "patient/Practitioner.rs patient/Slot.rs", "patient/Practitioner.rs patient/Slot.rs"},
		{"E11 all types stay", "limited", "patient/*.cruds", "patient/*.cruds"},
		{"E11 nothing at all", "", "openid patient/Patient.rs", "openid"},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			asked, bad := scope.Parse(tt.asked)
			if bad != nil {
				t.Fatal(bad)
			}
			e := &policy.Effective{Cells: p.Columns[tt.column].Cells}
			if got := p.Narrow(e, asked).String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
