package browser_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// others says which of the Shaws' records an app could read.
func others(ids ...string) map[string]any {
	all := map[string]any{"amy-shaw": 404.0, "lena-shaw": 404.0, "max-shaw": 404.0, "tom-shaw": 404.0}
	for _, id := range ids {
		all[id] = "seen"
	}
	return all
}

const (
	patientScopes   = "openid fhirUser launch/patient offline_access patient/*.rs"
	clinicianScopes = "openid fhirUser launch/patient patient/*.rs user/Patient.rs user/Practitioner.r"
)

func TestLaunchesWithFhirclient(t *testing.T) {
	t.Run("B14 standalone as a patient", func(t *testing.T) {
		t.Parallel()
		d := newDemo(t)
		d.standalone(patientScopes)
		d.signIn("amy.shaw")
		d.allow()
		got := d.result()
		if got.Patient != "amy-shaw" || got.User != "Patient/amy-shaw" || got.Me != "Patient/amy-shaw" || got.Name != "Amy Róisín Shaw" || got.Scope != patientScopes {
			t.Errorf("the app sees %+v", got)
		}
		if !got.Refreshable || !got.Refreshed || got.Expires > 3600 || got.Expires < 3000 || !strings.EqualFold(got.TokenType, "bearer") {
			t.Errorf("C7 tokens %+v", got)
		}
		if n, ok := got.Observation.(float64); !ok || n < 5 {
			t.Errorf("observations %v", got.Observation)
		}
		if diff := cmp.Diff(others("amy-shaw"), got.Others); diff != "" {
			t.Errorf("E9 %s", diff)
		}
		for _, said := range d.tab.Complaints() {
			if !strings.Contains(said, "404") {
				t.Errorf("the browser says %s", said)
			}
		}
	})
	t.Run("B14 standalone as a proxy, then for another child without another sign-in", func(t *testing.T) {
		t.Parallel()
		d := newDemo(t)
		d.standalone(patientScopes)
		d.signIn("tom.shaw")
		d.pick("Lena Åshild Shaw")
		d.allow()
		got := d.result()
		if got.Patient != "lena-shaw" || got.User != "RelatedPerson/tom-shaw-for-lena" || got.Me != got.User || got.Name != "Lena Åshild Shaw" {
			t.Errorf("the app sees %+v", got)
		}
		if got.Observation != 0.0 && got.Observation != 403.0 { // a teen's results are not her father's to see
			t.Errorf("E11 observations of a teen: %v", got.Observation)
		}
		if diff := cmp.Diff(others("lena-shaw"), got.Others); diff != "" {
			t.Errorf("E9 %s", diff)
		}
		d.tab.Go(strings.Replace(d.app+"/launch?iss="+d.base+"/fhir&scope="+patientScopes, " ", "%20", -1))
		d.pick("Maximilian Shaw")
		d.allow()
		got = d.result()
		if got.Patient != "max-shaw" || got.User != "RelatedPerson/tom-shaw-for-max" {
			t.Errorf("then the app sees %+v", got)
		}
		if n, ok := got.Observation.(float64); !ok || n < 1 || n == 403 {
			t.Errorf("E11 observations of a child: %v", got.Observation)
		}
		if diff := cmp.Diff(others("max-shaw"), got.Others); diff != "" {
			t.Errorf("E9 %s", diff)
		}
	})
	t.Run("B14 standalone as a clinician", func(t *testing.T) {
		t.Parallel()
		d := newDemo(t)
		d.standalone(clinicianScopes)
		d.signIn("dr.okafor")
		d.tab.Set("#find", "shaw am")
		d.tab.Follow(`form[role=search] button`)
		d.pick("Amy Róisín Shaw")
		d.allow()
		got := d.result()
		if got.Patient != "amy-shaw" || got.User != "Practitioner/dr-okafor" || got.Me != got.User || got.Name != "Amy Róisín Shaw" || got.Refreshable {
			t.Errorf("the app sees %+v", got)
		}
		if diff := cmp.Diff(others("amy-shaw", "lena-shaw", "max-shaw", "tom-shaw"), got.Others); diff != "" {
			t.Errorf("E10 %s", diff)
		}
	})
	t.Run("B10 a clinician does not find those whom another treats", func(t *testing.T) {
		t.Parallel()
		d := newDemo(t)
		d.standalone(clinicianScopes)
		d.signIn("dr.lindt")
		d.tab.Set("#find", "shaw")
		d.tab.Follow(`form[role=search] button`)
		if text := d.tab.Text("main"); !strings.Contains(text, "No patient whom you treat") {
			t.Errorf("shown: %s", text)
		}
	})
	t.Run("B9 EHR launch as a clinician", func(t *testing.T) {
		t.Parallel()
		d := newDemo(t)
		d.ehr("launch openid fhirUser patient/*.rs", map[string]any{"patient": "amy-shaw", "user": "Practitioner/dr-okafor", "intent": "reconcile-medications", "need_patient_banner": false})
		d.signIn("dr.okafor")
		d.allow()
		got := d.result()
		if got.Patient != "amy-shaw" || got.User != "Practitioner/dr-okafor" || got.Intent != "reconcile-medications" || got.Banner || got.Name != "Amy Róisín Shaw" {
			t.Errorf("the app sees %+v", got)
		}
	})
	t.Run("B9 EHR launch as a patient", func(t *testing.T) {
		t.Parallel()
		d := newDemo(t)
		d.ehr("launch openid fhirUser online_access patient/*.rs", map[string]any{"patient": "lena-shaw"})
		d.signIn("lena.shaw")
		d.allow()
		got := d.result()
		if got.Patient != "lena-shaw" || got.User != "Patient/lena-shaw" || got.Name != "Lena Åshild Shaw" || !got.Refreshed {
			t.Errorf("the app sees %+v", got)
		}
	})
	t.Run("B9 EHR launch as a proxy", func(t *testing.T) {
		t.Parallel()
		d := newDemo(t)
		d.ehr("launch openid fhirUser patient/*.rs", map[string]any{"patient": "max-shaw", "user": "RelatedPerson/tom-shaw-for-max"})
		d.signIn("tom.shaw")
		d.allow()
		got := d.result()
		if got.Patient != "max-shaw" || got.User != "RelatedPerson/tom-shaw-for-max" {
			t.Errorf("the app sees %+v", got)
		}
	})
	t.Run("B9 EHR launch of a record that is not theirs", func(t *testing.T) {
		t.Parallel()
		d := newDemo(t)
		d.ehr("launch openid patient/*.rs", map[string]any{"patient": "lena-shaw"})
		d.signIn("amy.shaw")
		if text := d.tab.Text("main"); !strings.Contains(text, "may not open") {
			t.Errorf("shown: %s", text)
		}
	})
	t.Run("B11 what was taken away is refused, and revoked access ends at once", func(t *testing.T) {
		t.Parallel()
		d := newDemo(t)
		d.standalone("launch/patient patient/Patient.rs patient/Observation.rs patient/Appointment.rs")
		d.signIn("amy.shaw")
		d.tab.Click(`input[name=see][value="patient/Observation"]`)
		d.allow()
		got := d.result()
		if got.Scope != "launch/patient patient/Patient.rs patient/Appointment.rs" || got.Observation != 403.0 || got.Name != "Amy Róisín Shaw" {
			t.Errorf("the app sees %+v", got)
		}
		d.tab.Go(d.base + "/auth/apps")
		d.tab.Follow("button.danger")
		d.tab.Go(d.app + "/app") // fhirclient has the token in its session
		if text := d.tab.Text("#result"); !strings.Contains(text, `"name":401`) {
			t.Errorf("C10 after the access was taken back the app shows %s", text)
		}
	})
}

func TestOpenIDClient(t *testing.T) {
	for auth, id := range map[string]string{"none": "rp-public", "basic": "rp-secret", "post": "rp-secret"} {
		t.Run("C6 a strict relying party, "+auth, func(t *testing.T) {
			t.Parallel()
			d := newDemo(t)
			const scopes = "openid fhirUser launch/patient offline_access patient/Patient.rs"
			address, said := d.relyingParty("CLIENT_ID="+id, "CLIENT_SECRET="+secret, "AUTH="+auth, "SCOPE="+scopes)
			d.tab.Go(address)
			d.signIn("amy.shaw")
			d.allow()
			d.tab.Await("#done")
			got := said()
			claims, _ := got["claims"].(map[string]any)
			info, _ := got["info"].(map[string]any)
			want := d.base + "/fhir/Patient/amy-shaw"
			if got["error"] != nil || got["patient"] != "amy-shaw" || claims["fhirUser"] != want || info["fhirUser"] != want || claims["sub"] != info["sub"] {
				t.Errorf("it got %v", got)
			}
			if got["read"] != 200.0 || got["refreshed"] != 200.0 || got["revoked"] != 401.0 {
				t.Errorf("C10 reads: %v, refreshed %v, revoked %v", got["read"], got["refreshed"], got["revoked"])
			}
			if in, _ := got["introspected"].(map[string]any); auth != "none" && (in["active"] != true || in["patient"] != "amy-shaw" || in["client_id"] != id) {
				t.Errorf("C11 introspected: %v", in)
			}
		})
	}
}
