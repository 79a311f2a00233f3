package pages_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/scope"
)

func drop(field, value string) func(url.Values) {
	return func(v url.Values) {
		var kept []string
		for _, x := range v[field] {
			if x != value {
				kept = append(kept, x)
			}
		}
		v[field] = kept
	}
}

func some(row string, kinds ...string) func(url.Values) {
	return func(v url.Values) { v.Set("kinds:"+row, "some"); v["kind:"+row] = kinds }
}

func both(changes ...func(url.Values)) func(url.Values) {
	return func(v url.Values) {
		for _, c := range changes {
			c(v)
		}
	}
}

func TestWhatAConsentGrants(t *testing.T) {
	t.Parallel()
	const (
		condition   = "http://terminology.hl7.org/CodeSystem/condition-category|"
		observation = "http://terminology.hl7.org/CodeSystem/observation-category|"
		usCore      = "http://hl7.org/fhir/us/core/CodeSystem/"
	)
	w := newWorld(t)
	for name, c := range map[string]struct {
		asks   string
		answer func(url.Values)
		want   string
	}{
		"B11 all that is asked stays as it was written": {"openid patient/*.read launch/patient", nil, "openid patient/*.read launch/patient"},
		"B11 a type can be taken away":                  {"patient/Patient.rs patient/Observation.rs patient/Condition.rs", drop("see", "patient/Observation"), "patient/Patient.rs patient/Condition.rs"},
		"B11 writing can be taken away": {
			"patient/Patient.r patient/Appointment.cruds", drop("write", "patient/Appointment"), "patient/Patient.r patient/Appointment.rs",
		},
		"B11 reading can be taken away, and writing stays": {"patient/Appointment.cruds", drop("see", "patient/Appointment"), "patient/Appointment.cud"},
		"B15 part of a scope of SMART 1 is granted with letters": {
			"patient/Patient.read patient/Appointment.*", drop("write", "patient/Appointment"), "patient/Patient.read patient/Appointment.rs",
		},
		"B11 a type can be taken out of all": {
			"patient/*.rs", drop("see", "patient/Condition"),
			"patient/Patient.rs patient/Observation.rs patient/MedicationRequest.rs patient/Appointment.rs patient/Basic.rs patient/VisionPrescription.rs",
		},
		"B11 the types without words can be taken out of all": {
			"patient/*.rs", drop("see", "patient/rest"), "patient/Patient.rs patient/Condition.rs patient/Observation.rs patient/MedicationRequest.rs patient/Appointment.rs",
		},
		"B11 a type is granted by both scopes that ask for it or by none": {
			"patient/*.rs patient/Basic.c", both(drop("see", "patient/rest"), drop("write", "patient/rest")),
			"patient/Patient.rs patient/Condition.rs patient/Observation.rs patient/MedicationRequest.rs patient/Appointment.rs",
		},
		"B12 problems by category": {
			"launch/patient patient/Patient.rs patient/Condition.rs", some("patient/Condition", "0", "1", "2"),
			"launch/patient patient/Patient.rs patient/Condition.rs?category=" + condition + "problem-list-item patient/Condition.rs?category=" + condition +
				"encounter-diagnosis patient/Condition.rs?category=" + usCore + "condition-category|health-concern",
		},
		"B12 observations by category": {
			"launch/patient patient/Patient.rs patient/Observation.rs", some("patient/Observation", "0", "1", "2", "3", "4", "5"),
			"launch/patient patient/Patient.rs patient/Observation.rs?category=" + observation + "laboratory patient/Observation.rs?category=" + observation +
				"vital-signs patient/Observation.rs?category=" + observation + "social-history patient/Observation.rs?category=" + observation +
				"survey patient/Observation.rs?category=" + usCore + "us-core-category|sdoh patient/Observation.rs?category=" + usCore + "us-core-observation-category|clinical-test",
		},
		"B12 categories out of all types, read and write": {
			"patient/*.cruds", both(some("patient/Observation", "1"), drop("write", "patient/Observation"), drop("see", "patient/rest"), drop("write", "patient/rest"),
				drop("see", "patient/Condition"), drop("write", "patient/Condition"), drop("see", "patient/Appointment")),
			"patient/Patient.cruds patient/Observation.rs?category=" + observation + "vital-signs patient/MedicationRequest.cruds patient/Appointment.cud",
		},
		"B12 an app that asks for categories gets those that are left": {
			"patient/Observation.rs?category=laboratory patient/Observation.rs?category=vital-signs", drop("see", "patient/Observation?category=laboratory"),
			"patient/Observation.rs?category=vital-signs",
		},
		"B13 offline access can be refused":                 {"offline_access patient/Patient.rs", func(v url.Values) { v.Del("offline") }, "patient/Patient.rs"},
		"B13 offline access can be granted":                 {"offline_access patient/Patient.rs", nil, "offline_access patient/Patient.rs"},
		"B11 only who somebody is":                          {"openid fhirUser", nil, "openid fhirUser"},
		"B9 without an encounter there is no scope for one": {"launch/encounter launch/patient patient/Patient.rs", nil, "launch/patient patient/Patient.rs"},
		"B11 contexts are granted apart":                    {"patient/Patient.rs user/Patient.rs", drop("see", "user/Patient"), "patient/Patient.rs"},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.browser() // one after the other: of many attempts at once only some are let through
			p := b.signIn(b.get(w.request(scopes(c.asks))), "amy.shaw")
			got := w.granted(b.submit(p, "/auth/consent", c.answer))
			if diff := cmp.Diff(strings.Fields(c.want), strings.Fields(got.Scope)); diff != "" {
				t.Error(diff)
			}
			if (got.RefreshToken != "") != strings.Contains(c.want, "offline_access") {
				t.Errorf("refresh token %q", got.RefreshToken)
			}
		})
	}
}

func TestConsentInWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	asks := "openid fhirUser launch/patient offline_access patient/*.rs patient/Appointment.cruds patient/Observation.rs?category=laboratory patient/Observation.rs?code=x"
	p := b.signIn(b.get(w.request(scopes(asks))), "amy.shaw")
	for _, want := range []string{
		"Let Blood Sugar Diary in?", "See name, birthday, address and other personal details", "Add to, change and delete appointments",
		"See all other kinds of information (2)", "Basic, VisionPrescription", "See measurements and test results: laboratory results",
		"only where code = x", "Let the app keep its access when you are not using it", "The app is told that it is you",
		"This app is registered here as app. After your answer you are sent to app.example.",
	} {
		if !strings.Contains(p.text, want) {
			t.Errorf("B13 %q is not in %s", want, p.text)
		}
	}
	b = w.browser()
	b.lang = "nb"
	p = b.signIn(b.get(w.request(scopes(asks))), "amy.shaw")
	if !strings.Contains(p.text, "Slippe inn Blood Sugar Diary?") || !strings.Contains(p.text, "Legge til, endre og slette timeavtaler") {
		t.Errorf("in Norwegian: %s", p.text)
	}
	p = b.submit(p, "/auth/consent", func(v url.Values) { v.Del("see"); v.Del("write") })
	if !strings.Contains(p.text, "Ingenting er haket av.") {
		t.Errorf("nothing ticked: %s", p.text)
	}
}

func TestNobodyIsAskedForWhatIsImpossible(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.people.possible = func(t fhir.Type) scope.Letters {
		switch t {
		case "Condition", "Basic":
			return 0
		case "Appointment":
			return scope.ReadV1 | scope.Create | scope.Update
		}
		return scope.ReadV1
	}
	for asks, want := range map[string]string{
		"patient/*.rs":    "patient/*.rs",
		"patient/*.cruds": "patient/Patient.rs patient/Observation.rs patient/MedicationRequest.rs patient/Appointment.crus patient/VisionPrescription.rs",
		"openid patient/Condition.rs patient/Patient.rs":   "openid patient/Patient.rs",
		"patient/Appointment.cruds patient/Observation.cu": "patient/Appointment.crus",
	} {
		b := w.browser()
		p := b.signIn(b.get(w.request(scopes(asks))), "amy.shaw")
		for _, never := range []string{"problems and diagnoses", "change and delete", "Add to and change measurements"} {
			if strings.Contains(p.text, never) {
				t.Errorf("B11 %s: the page says %q", asks, never)
			}
		}
		if got := w.granted(b.submit(p, "/auth/consent", nil)); got.Scope != want {
			t.Errorf("B11 %s grants %q, want %q", asks, got.Scope, want)
		}
	}
}

func TestAConsentIsAsLongAsWhatIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pages.Types = fhir.Types()
	var asks []string
	for i := range 380 {
		asks = append(asks, fmt.Sprintf("patient/*.r?a=%d", i))
	}
	b := w.browser()
	begin := time.Now()
	p := b.signIn(b.post("/auth/authorize", w.parameters(scopes(strings.Join(asks, " ")))), "amy.shaw")
	if n := len(p.all("input")); n > 1000 || !strings.Contains(p.text, "See all information, only where a = 379") {
		t.Errorf("B11 %d scopes make %d fields: %.500s", len(asks), n, p.text)
	}
	if took := time.Since(begin); took > 2*time.Minute {
		t.Errorf("the page took %v", took)
	}
}
