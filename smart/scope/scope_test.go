package scope_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/scope"
)

func must(t testing.TB, text string) scope.Set {
	t.Helper()
	set, bad := scope.Parse(text)
	if bad != nil {
		t.Fatalf("%q: %v", text, bad)
	}
	return set
}

func TestParse(t *testing.T) {
	t.Parallel()
	good := []string{
		"launch", "launch/patient", "launch/encounter", "openid", "fhirUser", "profile", "online_access", "offline_access",
		"patient/Observation.rs", "patient/*.cruds", "user/Patient.r", "system/*.rs", "patient/*.*", "patient/Observation.read", "user/Appointment.write",
		"patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
		"patient/Condition.rs?category=a%7Cb&clinical-status=active",
	}
	for _, text := range good {
		t.Run("E3 reads "+text, func(t *testing.T) {
			t.Parallel()
			if got := must(t, text).String(); got != text {
				t.Errorf("got %q", got)
			}
		})
	}
	bad := []string{
		"", "patient", "patient/", "patient/Observation", "patient/Observation.", "patient/Observation.sr", "patient/Observation.rr", "patient/Observation.rx",
		"patient/Observation.R", "patient/Observation.reads", "patient/Observation.readwrite", "patient/observation.rs", "patient/Patent.rs", "patient/.rs",
		"Patient/Observation.rs", "patients/Observation.rs", "/Observation.rs", "patient/Resource.rs", "patient/**.rs", "launch/Patient", "launch/practitioner", "LAUNCH", "fhiruser",
		"patient/Observation.rs?", "patient/Observation.rs?category", "patient/Observation.rs?category=", "patient/Observation.rs?=x", "patient/Observation.rs?a=b&", "patient/Observation.rs?a=%zz",
		"patient/Observation.read?category=x", "patient/Observation.*?category=x", `patient/Observation.rs?a="`, `patient/Observation.rs?a=\`, "patient/Observation.rs?a=é",
		"patient/Observation.rs?a=" + strings.Repeat("x", 1000), "system/Observation/1.rs",
	}
	for _, text := range bad {
		t.Run("E3 refuses "+text[:min(60, len(text))], func(t *testing.T) {
			t.Parallel()
			set, problems := scope.Parse(text)
			if set.Len() != 0 || (text != "" && len(problems) != 1) {
				t.Errorf("got %q, %v", set, problems)
			}
		})
	}
	t.Run("E3 keeps what is good beside what is bad, each once", func(t *testing.T) {
		t.Parallel()
		set, problems := scope.Parse(" openid  patient/Observation.sr\tpatient/Patient.r openid ")
		if got := set.String(); got != "openid patient/Patient.r" || len(problems) != 1 || problems[0].Scope != "patient/Observation.sr" {
			t.Errorf("got %q, %v", got, problems)
		}
	})
	t.Run("E3 refuses the rest of too many scopes", func(t *testing.T) {
		t.Parallel()
		set, problems := scope.Parse(strings.Repeat("openid ", 500) + "profile")
		if set.String() != "openid" || len(problems) != 1 {
			t.Errorf("got %q, %v", set, problems)
		}
	})
}

func TestAllows(t *testing.T) {
	t.Parallel()
	type answer struct {
		Granted bool
		Filters []string
	}
	tests := []struct {
		set     string
		context scope.Context
		typ     fhir.Type
		want    scope.Letters
		answer  answer
	}{
		{"", scope.Patient, "Observation", scope.Read, answer{}},
		{"patient/Observation.rs", scope.Patient, "Observation", scope.Read, answer{Granted: true}},
		{"patient/Observation.rs", scope.Patient, "Observation", scope.Read | scope.Search, answer{Granted: true}},
		{"patient/Observation.rs", scope.Patient, "Observation", scope.Create, answer{}},
		{"patient/Observation.rs", scope.Patient, "Observation", 0, answer{}},
		{"patient/Observation.rs", scope.User, "Observation", scope.Read, answer{}},
		{"patient/Observation.rs", scope.Patient, "Condition", scope.Read, answer{}},
		{"patient/*.s", scope.Patient, "Condition", scope.Search, answer{Granted: true}},
		{"patient/*.s", scope.Patient, "Condition", scope.Read, answer{}},
		{"patient/Condition.read", scope.Patient, "Condition", scope.Read, answer{Granted: true}},
		{"patient/Condition.read", scope.Patient, "Condition", scope.Search, answer{Granted: true}},
		{"patient/Condition.read", scope.Patient, "Condition", scope.Update, answer{}},
		{"patient/Condition.write", scope.Patient, "Condition", scope.Create, answer{Granted: true}},
		{"patient/Condition.write", scope.Patient, "Condition", scope.Update, answer{Granted: true}},
		{"patient/Condition.write", scope.Patient, "Condition", scope.Delete, answer{Granted: true}},
		{"patient/Condition.write", scope.Patient, "Condition", scope.Read, answer{}},
		{"patient/Condition.*", scope.Patient, "Condition", scope.AllV1, answer{Granted: true}},
		{"openid launch/patient", scope.Patient, "Patient", scope.Read, answer{}},
		{"patient/Observation.rs?a=1 patient/Observation.r?b=2", scope.Patient, "Observation", scope.Read, answer{true, []string{"a=1", "b=2"}}},
		{"patient/Observation.rs?a=1 patient/Observation.r?b=2", scope.Patient, "Observation", scope.Search, answer{true, []string{"a=1"}}},
		{"patient/Observation.rs?a=1 patient/Observation.r", scope.Patient, "Observation", scope.Read, answer{Granted: true}},
		{"patient/Observation.rs?a=1 patient/*.s", scope.Patient, "Observation", scope.Read, answer{true, []string{"a=1"}}},
	}
	for _, tt := range tests {
		t.Run("E3 "+tt.set+" on "+string(tt.typ)+" "+tt.want.String(), func(t *testing.T) {
			t.Parallel()
			granted, filters := must(t, tt.set).Allows(tt.context, tt.typ, tt.want)
			if diff := cmp.Diff(tt.answer, answer{granted, filters}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestIntersect(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ claim, a, b, want string }{
		{"nothing with something", "", "patient/*.rs", ""},
		{"what is permitted as a whole keeps its spelling", "patient/Observation.read openid", "openid patient/*.cruds", "patient/Observation.read openid"},
		{"a ceiling narrows a wildcard to its types", "patient/*.rs", "patient/Observation.rs patient/Condition.r", "patient/Observation.rs patient/Condition.r"},
		{"a ceiling narrows letters", "patient/Observation.cruds", "patient/Observation.rs", "patient/Observation.rs"},
		{"letters of two scopes add up", "patient/Observation.read", "patient/Observation.r patient/Observation.s", "patient/Observation.read"},
		{"a filter stays", "patient/Observation.rs?a=1", "patient/Observation.rs", "patient/Observation.rs?a=1"},
		{"a filter of the ceiling comes", "patient/Observation.rs", "patient/Observation.rs?a=1 patient/Observation.rs?b=2", "patient/Observation.rs?a=1 patient/Observation.rs?b=2"},
		{"filters of both hold", "patient/Observation.rs?a=1", "patient/Observation.rs?b=2", "patient/Observation.rs?a=1&b=2"},
		{"contexts do not mix", "patient/Observation.rs", "user/Observation.rs system/*.rs", ""},
		{"names only as they are", "launch openid", "launch/patient openid profile", "openid"},
	} {
		t.Run("B10 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			if got := must(t, tt.a).Intersect(must(t, tt.b)).String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSubset(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"", "", true},
		{"openid", "", false},
		{"patient/Observation.read", "patient/*.rs", true},
		{"patient/*.rs", "patient/Observation.rs", false},
		{"patient/Observation.rs?a=1&b=2", "patient/Observation.rs?a=1", true},
		{"patient/Observation.rs?a=1", "patient/Observation.rs?a=1&b=2", false},
		{"patient/Observation.rs", "patient/Observation.rs?a=1", false},
		{"patient/Observation.rs", "patient/Observation.r patient/Observation.s", true},
		{"patient/Observation.rsx", "", true}, // an empty set: it was refused
		{"launch", "launch/patient", false},
	} {
		t.Run("C7 "+tt.a+" of "+tt.b, func(t *testing.T) {
			t.Parallel()
			a, _ := scope.Parse(tt.a)
			if got := a.Subset(must(t, tt.b)); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func randomSet(t *rapid.T, label string) scope.Set {
	one := rapid.Custom(func(t *rapid.T) string {
		s := rapid.SampledFrom([]string{"patient", "user"}).Draw(t, "context") + "/" +
			rapid.SampledFrom([]string{"*", "Patient", "Flag"}).Draw(t, "type") + "."
		if rapid.Bool().Draw(t, "old") {
			return s + rapid.SampledFrom([]string{"read", "write", "*"}).Draw(t, "permission")
		}
		s += rapid.SampledFrom([]string{"r", "rs", "s", "c", "cu", "cruds", "d"}).Draw(t, "letters")
		return s + rapid.SampledFrom([]string{"", "", "?a=1", "?b=2", "?a=1&b=2"}).Draw(t, "filter")
	})
	set, bad := scope.Parse(strings.Join(rapid.SliceOfN(one, 0, 5).Draw(t, label), " "))
	if bad != nil {
		t.Fatal(bad)
	}
	return set
}

// permits says whether a set permits a letter on a resource with these properties.
func permits(s scope.Set, c scope.Context, typ fhir.Type, l scope.Letters, has string) bool {
	granted, filters := s.Allows(c, typ, l)
	if filters == nil {
		return granted
	}
	for _, f := range filters {
		all := true
		for p := range strings.SplitSeq(f, "&") {
			all = all && strings.Contains(has, p)
		}
		if all {
			return true
		}
	}
	return false
}

func TestSetsPermitWhatTheyShould(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := randomSet(t, "a"), randomSet(t, "b")
		both := a.Intersect(b)
		if !both.Subset(a) || !both.Subset(b) || !a.Subset(a) {
			t.Fatalf("%q and %q: %q", a, b, both)
		}
		subset := a.Subset(b)
		for _, c := range []scope.Context{scope.Patient, scope.User, scope.System} {
			for _, typ := range []fhir.Type{"Patient", "Flag", "Basic"} {
				for _, l := range []scope.Letters{scope.Create, scope.Read, scope.Update, scope.Delete, scope.Search} {
					for _, has := range []string{"", "a=1", "b=2", "a=1 b=2"} {
						inA, inB := permits(a, c, typ, l, has), permits(b, c, typ, l, has)
						if got := permits(both, c, typ, l, has); got != (inA && inB) {
							t.Fatalf("E3 %q and %q: %q permits %v %s %s %q: %v", a, b, both, c, typ, l, has, got)
						}
						if subset && inA && !inB {
							t.Fatalf("C7 %q is no subset of %q", a, b)
						}
					}
				}
			}
		}
		again, bad := scope.Parse(both.String())
		if bad != nil || again.String() != both.String() {
			t.Fatalf("%q reads as %q, %v", both, again, bad)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("patient/Observation.rs?category=a%7Cb openid")
	f.Add("user/*.* launch")
	f.Fuzz(func(t *testing.T, text string) {
		set, _ := scope.Parse(text)
		again, bad := scope.Parse(set.String())
		if bad != nil || again.String() != set.String() {
			t.Errorf("%q reads as %q, %v", set, again, bad)
		}
		for s := range set.All() {
			if s.Name == "" && (s.Letters == 0 || (s.Type != "" && !s.Type.Valid())) {
				t.Errorf("%q in %q", s, text)
			}
		}
	})
}
