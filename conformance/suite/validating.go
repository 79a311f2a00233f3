package suite

import (
	"slices"
	"strings"
	"testing"
)

// validating is $validate on Basic.
func validating(t *testing.T, c *client, can capability) {
	if k := can.kind("Basic"); k == nil || !k.operates("validate") || !k.does("create", "delete") {
		t.Skip("the server does not validate Basic")
	}
	type outcome struct {
		ResourceType string
		Issue        []struct{ Severity, Code string }
	}
	// validate gives the severities that there are.
	validate := func(t *testing.T, path, body string) []string {
		t.Helper()
		var o outcome
		c.do(t, "POST", path, body).want(t, 200).into(t, &o)
		if o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 {
			t.Fatalf("got %+v", o)
		}
		var severities []string
		for _, is := range o.Issue {
			severities = append(severities, is.Severity)
		}
		slices.Sort(severities)
		return slices.Compact(severities)
	}
	wrap := func(resource, parameters string) string {
		return `{"resourceType":"Parameters","parameter":[` + parameters + `{"name":"resource","resource":` + resource + `}]}`
	}
	wrong := strings.Replace(basic, `"valueDecimal":1.500`, `"valueDecimal":"x"`, 1)
	r := created(t, c)
	for _, tt := range []struct {
		claim, path, body string
		failed            bool
	}{
		{"a valid resource", "Basic/$validate", basic, false},
		{"an invalid resource", "Basic/$validate", wrong, true},
		{"another type", "Basic/$validate", `{"resourceType":"Flag"}`, true},
		{"a valid resource in Parameters", "Basic/$validate", wrap(basic, `{"name":"mode","valueCode":"create"},`), false},
		{"an invalid resource in Parameters", "Basic/$validate", wrap(wrong, `{"name":"mode","valueCode":"create"},`), true},
		{"an update", "Basic/" + r.ID + "/$validate", wrap(withID(other, r.ID), `{"name":"mode","valueCode":"update"},`), false},
		{"an update with another id", "Basic/" + r.ID + "/$validate", wrap(withID(other, "another"), `{"name":"mode","valueCode":"update"},`), true},
		{"a deletion", "Basic/" + r.ID + "/$validate?mode=delete", "", false},
		{"what is there", "Basic/" + r.ID + "/$validate", "", false},
	} {
		t.Run("G8.2 $validate tells about "+tt.claim, func(t *testing.T) {
			got := validate(t, tt.path, tt.body)
			if slices.Contains(got, "error") != tt.failed || slices.Contains(got, "information") == tt.failed {
				t.Errorf("got %v", got)
			}
		})
	}
	t.Run("G8.2 $validate changes nothing", func(t *testing.T) {
		if n := len(c.all(t, "Basic/"+r.ID+"/_history")); n != 1 {
			t.Errorf("%d versions", n)
		}
	})
	t.Run("G8.2 $validate refuses what it does not know", func(t *testing.T) {
		c.do(t, "POST", "Basic/$validate?mode=other", basic).want(t, 400)
		c.do(t, "POST", "Basic/$validate?profile=http://example.org/unknown", basic).want(t, 400, 404)
		c.do(t, "POST", "Basic/$validate", "").want(t, 400)
		c.do(t, "POST", "Basic/suite-never-was/$validate?mode=delete", "").want(t, 404)
	})
}
