package authorize_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// answer takes a redirect apart.
func answer(t testing.TB, where string) url.Values {
	t.Helper()
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// exchange gives the tokens for the code in a redirect.
func (c *clinic) exchange(t testing.TB, where string) *token.Response {
	t.Helper()
	app, err := c.Clients.Get(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Tokens.Exchange(t.Context(), app, answer(t, where).Get("code"), redirect, verifier)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestADecisionEndsARequest(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run("B5 with a code and the state as it was, on "+name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, open(t))
			p := c.begin(t)
			where, err := c.Finish(t.Context(), p.ID, amy(t, "launch/patient patient/Observation.rs"))
			if err != nil {
				t.Fatal(err)
			}
			got := answer(t, where)
			want := url.Values{"x": {"1"}, "code": got["code"], "state": {"a state&=%+é \"'"}, "iss": {issuer}}
			if diff := cmp.Diff(want, got); diff != "" || !strings.HasPrefix(where, redirect+"&code=") || strings.Contains(where, "+") {
				t.Errorf("%s (-want +got):\n%s", where, diff)
			}
			if resp := c.exchange(t, where); resp.Scope != "launch/patient patient/Observation.rs" || resp.Patient != "amy" {
				t.Errorf("B11 got %+v", resp)
			}
			if _, err := c.Finish(t.Context(), p.ID, amy(t, asked)); !errors.Is(err, authorize.ErrUnknown) {
				t.Errorf("it ended twice: %v", err)
			}
			if _, err := c.Deny(t.Context(), p.ID, oauth.AccessDenied, ""); !errors.Is(err, authorize.ErrUnknown) {
				t.Errorf("it ended twice: %v", err)
			}
		})
		t.Run("B5 once, of many at the same time, on "+name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, open(t))
			p := c.begin(t)
			onlyOne(t, func() error {
				_, err := c.Finish(t.Context(), p.ID, amy(t, asked))
				return err
			})
		})
	}
	t.Run("B6 with an error", func(t *testing.T) {
		t.Parallel()
		c := simple(t)
		for _, end := range []func(id string) (string, error){
			func(id string) (string, error) { return c.Deny(t.Context(), id, oauth.AccessDenied, "No.") },
			func(id string) (string, error) { return c.Finish(t.Context(), id, authorize.Decision{}) },
		} {
			where, err := end(c.begin(t, "redirect_uri", "https://app.example.org/plain").ID)
			if err != nil || !strings.HasPrefix(where, "https://app.example.org/plain?error=access_denied&error_description=") {
				t.Fatalf("got %s, %v", where, err)
			}
			if got := answer(t, where); got.Get("state") != "a state&=%+é \"'" || got.Get("iss") != issuer || got.Has("code") {
				t.Errorf("got %v", got)
			}
		}
	})
}

func TestDecisionsAreHeldToTheRequest(t *testing.T) {
	t.Parallel()
	c := simple(t)
	change := func(d authorize.Decision, f func(*authorize.Decision)) authorize.Decision {
		f(&d)
		return d
	}
	for _, tt := range []struct {
		claim  string
		pairs  []string
		d      authorize.Decision
		refuse string // part of the error; empty: none
	}{
		{"B10 nobody", nil, authorize.Decision{Scopes: scopes(t, asked)}, "nobody"},
		{"B10 a system", nil, change(amy(t, asked), func(d *authorize.Decision) { d.Kind = access.System }), "nobody"},
		{"B10 more than was asked for", nil, amy(t, "patient/*.cruds"), "more was agreed to"},
		{"B10 another scope than was asked for", nil, amy(t, "user/*.rs"), "more was agreed to"},
		{"B10 no patient for patient scopes", nil, change(okafor(t, asked), func(d *authorize.Decision) { d.Patient = "" }), "no patient"},
		{"B10 no patient for launch/patient", nil, change(okafor(t, "launch/patient"), func(d *authorize.Decision) { d.Patient = "" }), "no patient"},
		{"B10 a patient without a patient", nil, change(amy(t, "openid"), func(d *authorize.Decision) { d.Patient = "" }), "no patient"},
		{"B10 a clinician without a patient", nil, change(okafor(t, "openid"), func(d *authorize.Decision) { d.Patient = "" }), ""},
		{"B10 a proxy without a grant", nil, change(amy(t, asked), func(d *authorize.Decision) { d.Kind = access.Proxy }), "grant"},
		{"B10 a patient with a grant", nil, change(amy(t, asked), func(d *authorize.Decision) { d.Grant = "g" }), "grant"},
		{"B2 prompt=login and an old sign-in", []string{"prompt", "login"}, change(amy(t, asked), func(d *authorize.Decision) { d.AuthTime = start.Add(-time.Second) }), "new sign-in"},
		{"B2 prompt=login and a new sign-in", []string{"prompt", "login"}, amy(t, asked), ""},
		{"B2 max_age and an old sign-in", []string{"max_age", "60"}, change(amy(t, asked), func(d *authorize.Decision) { d.AuthTime = start.Add(-61 * time.Second) }), "older"},
		{"B2 max_age and a sign-in that is young enough", []string{"max_age", "60"}, change(amy(t, asked), func(d *authorize.Decision) { d.AuthTime = start.Add(-time.Minute) }), ""},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			p := c.begin(t, tt.pairs...)
			_, err := c.Finish(t.Context(), p.ID, tt.d)
			switch {
			case tt.refuse == "" && err != nil:
				t.Error(err)
			case tt.refuse != "":
				if err == nil || !strings.Contains(err.Error(), tt.refuse) {
					t.Errorf("got %v, want %q", err, tt.refuse)
				}
				if _, err := c.Pending(t.Context(), p.ID); err != nil {
					t.Errorf("the request is over: %v", err)
				}
			}
		})
	}
}

// launch makes a launch of the app for Dr. Okafor.
func (c *clinic) launch(t testing.TB, change func(*authorize.Launch)) string {
	t.Helper()
	l := authorize.Launch{
		Client: "app", User: fhir.Key{Type: "Practitioner", ID: "okafor"}, Patient: "amy", Encounter: "e1",
		Context: token.Launch{Intent: "reconcile", FHIRContext: json.RawMessage(`[{"reference":"ImagingStudy/1"}]`)},
	}
	if change != nil {
		change(&l)
	}
	made, err := c.NewLaunch(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	want := "https://app.example.org/launch?a=b&" + url.Values{"iss": {base}, "launch": {made.Launch}}.Encode()
	if made.URL != want || made.Expires != 5*time.Minute {
		t.Errorf("B9 got %+v, want %s", made, want)
	}
	return made.Launch
}

func TestEHRLaunches(t *testing.T) {
	t.Parallel()
	const launched = "launch openid fhirUser patient/*.rs"
	for name, open := range backends.All() {
		t.Run("B9 brings patient, encounter and intent, once, on "+name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, open(t))
			launch := c.launch(t, nil)
			p := c.begin(t, "launch", launch, "scope", launched)
			if p.Launch == nil || p.Launch.Patient != "amy" || !p.NeedsPatient() {
				t.Fatalf("got %+v", p.Launch)
			}
			where, err := c.Finish(t.Context(), p.ID, okafor(t, launched))
			if err != nil {
				t.Fatal(err)
			}
			resp := c.exchange(t, where)
			if resp.Patient != "amy" || resp.Encounter != "e1" || resp.Intent != "reconcile" || string(resp.FHIRContext) != `[{"reference":"ImagingStudy/1"}]` || resp.Scope != launched {
				t.Errorf("got %+v", resp)
			}
			_, err = c.Begin(t.Context(), request("launch", launch, "scope", launched))
			var away *authorize.RedirectError
			if !errors.As(err, &away) || away.Err.Code != oauth.InvalidRequest {
				t.Errorf("it was used twice: %v", err)
			}
		})
		t.Run("B9 is good once, of many at the same time, on "+name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, open(t))
			launch := c.launch(t, nil)
			onlyOne(t, func() error {
				_, err := c.Begin(t.Context(), request("launch", launch, "scope", launched))
				return err
			})
		})
	}
	t.Run("B9 expires", func(t *testing.T) {
		t.Parallel()
		c := simple(t)
		launch := c.launch(t, nil)
		c.pass(5 * time.Minute)
		if _, err := c.Begin(t.Context(), request("launch", launch, "scope", launched)); err == nil {
			t.Error("it was accepted")
		}
	})
	t.Run("B9 is for one app, and another does not use it up", func(t *testing.T) {
		t.Parallel()
		c := simple(t)
		launch := c.launch(t, nil)
		if _, err := c.Begin(t.Context(), request("launch", launch, "scope", launched, "client_id", "other")); err == nil {
			t.Error("it was accepted")
		}
		c.begin(t, "launch", launch, "scope", launched)
	})
	t.Run("B9 is not used up by a request that is refused", func(t *testing.T) {
		t.Parallel()
		c := simple(t)
		launch := c.launch(t, nil)
		if _, err := c.Begin(t.Context(), request("launch", launch, "scope", launched, "aud", "https://x.example")); err == nil {
			t.Error("it was accepted")
		}
		c.begin(t, "launch", launch, "scope", launched)
	})
	for claim, d := range map[string]authorize.Decision{
		"B9 another user than at the EHR":    func() authorize.Decision { d := okafor(t, launched); d.Actor.ID = "lindt"; return d }(),
		"B9 another patient than at the EHR": func() authorize.Decision { d := okafor(t, launched); d.Patient = "bob"; return d }(),
		"B9 another encounter":               func() authorize.Decision { d := okafor(t, launched); d.Encounter = "e2"; return d }(),
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			c := simple(t)
			p := c.begin(t, "launch", c.launch(t, nil), "scope", launched)
			var page *authorize.PageError
			if _, err := c.Finish(t.Context(), p.ID, d); !errors.As(err, &page) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("B9 may leave user and patient open", func(t *testing.T) {
		t.Parallel()
		c := simple(t)
		launch := c.launch(t, func(l *authorize.Launch) { *l = authorize.Launch{Client: "app"} })
		p := c.begin(t, "launch", launch, "scope", "launch user/*.rs")
		if p.NeedsPatient() {
			t.Error("a patient is needed")
		}
		d := okafor(t, "launch user/*.rs")
		d.Patient = ""
		where, err := c.Finish(t.Context(), p.ID, d)
		if err != nil {
			t.Fatal(err)
		}
		if resp := c.exchange(t, where); resp.Patient != "" || resp.Banner != nil {
			t.Errorf("got %+v", resp)
		}
	})
	t.Run("C4 without an encounter launch/encounter is not granted", func(t *testing.T) {
		t.Parallel()
		c := simple(t)
		p := c.begin(t, "scope", "launch/encounter patient/*.rs")
		where, err := c.Finish(t.Context(), p.ID, amy(t, "launch/encounter patient/*.rs"))
		if err != nil {
			t.Fatal(err)
		}
		if resp := c.exchange(t, where); resp.Scope != "patient/*.rs" || resp.Encounter != "" {
			t.Errorf("got %+v", resp)
		}
	})
}

func TestLaunchesAreChecked(t *testing.T) {
	t.Parallel()
	c := simple(t)
	for _, tt := range []struct {
		claim  string
		change func(*authorize.Launch)
		says   string // empty: good
	}{
		{"B9 an unknown app", func(l *authorize.Launch) { l.Client = "nobody" }, "client_id"},
		{"B9 a disabled app", func(l *authorize.Launch) { l.Client = "off" }, "client_id"},
		{"B9 a patient with its type", func(l *authorize.Launch) { l.Patient = "Patient/amy" }, "patient must be"},
		{"B9 an encounter with its type", func(l *authorize.Launch) { l.Encounter = "Encounter/1" }, "encounter must be"},
		{"B9 an encounter alone", func(l *authorize.Launch) { l.Patient = "" }, "needs a patient"},
		{"B9 a user of another type", func(l *authorize.Launch) { l.User.Type = "Device" }, "user must be"},
		{"B9 a user without an id", func(l *authorize.Launch) { l.User.ID = "" }, "user must be"},
		{"C4 an endless intent", func(l *authorize.Launch) { l.Context.Intent = strings.Repeat("x", 1000) }, "intent"},
		{"C4 a style at http", func(l *authorize.Launch) { l.Context.Style = "http://x.example/s.json" }, "smart_style_url"},
		{"C4 a style of script", func(l *authorize.Launch) { l.Context.Style = "javascript:alert(1)" }, "smart_style_url"},
		{"C4 fhirContext that is no array", func(l *authorize.Launch) { l.Context.FHIRContext = json.RawMessage(`{}`) }, "must be an array"},
		{"C4 fhirContext of references only", func(l *authorize.Launch) { l.Context.FHIRContext = json.RawMessage(`["ImagingStudy/1"]`) }, "must be an array"},
		{"C4 an empty item", func(l *authorize.Launch) { l.Context.FHIRContext = json.RawMessage(`[{}]`) }, "has no reference"},
		{"C4 an absolute reference", func(l *authorize.Launch) {
			l.Context.FHIRContext = json.RawMessage(`[{"reference":"https://x.example/ImagingStudy/1"}]`)
		}, "relative"},
		{"C4 a patient", func(l *authorize.Launch) { l.Context.FHIRContext = json.RawMessage(`[{"reference":"Patient/1"}]`) }, "must not be"},
		{"C4 a patient in the role launch", func(l *authorize.Launch) {
			l.Context.FHIRContext = json.RawMessage(`[{"reference":"Patient/1","role":"launch"}]`)
		}, "must not be"},
		{"C4 a patient in another role", func(l *authorize.Launch) {
			l.Context.FHIRContext = json.RawMessage(`[{"reference":"Patient/1","role":"https://x.example/mother"}]`)
		}, ""},
		{"C4 an empty role", func(l *authorize.Launch) {
			l.Context.FHIRContext = json.RawMessage(`[{"reference":"ImagingStudy/1","role":""}]`)
		}, "role is empty"},
		{"C4 an unknown type", func(l *authorize.Launch) {
			l.Context.FHIRContext = json.RawMessage(`[{"canonical":"https://x.example/Q","type":"Quest"}]`)
		}, "not a resource type"},
		{"C4 a canonical and an identifier", func(l *authorize.Launch) {
			l.Context.FHIRContext = json.RawMessage(`[{"canonical":"https://x.example/Q|1","type":"Questionnaire"},{"identifier":{"value":"1"}}]`)
		}, ""},
		{"C4 an identifier that is none", func(l *authorize.Launch) {
			l.Context.FHIRContext = json.RawMessage(`[{"reference":"ImagingStudy/1","identifier":1}]`)
		}, "not an Identifier"},
		{"C4 too many items", func(l *authorize.Launch) {
			l.Context.FHIRContext = json.RawMessage("[" + strings.Repeat(`{"reference":"ImagingStudy/1"},`, 100) + `{"reference":"ImagingStudy/1"}]`)
		}, "must be an array"},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			l := authorize.Launch{Client: "app", User: fhir.Key{Type: "Practitioner", ID: "okafor"}, Patient: "amy", Encounter: "e1"}
			tt.change(&l)
			_, err := c.NewLaunch(t.Context(), l)
			var e *oauth.Error
			switch {
			case tt.says == "" && err != nil:
				t.Error(err)
			case tt.says != "" && (!errors.As(err, &e) || e.Code != oauth.InvalidRequest || !strings.Contains(e.Description, tt.says)):
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}
