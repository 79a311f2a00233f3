package schema

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
)

// mutation spoils a member and says which issue, as "code path", must be found;
// "" when it does not apply.
type mutation struct {
	name  string
	spoil func(s site) string
}

var mutations = []mutation{
	{"rename", func(s site) string {
		name := s.elem.Member + "Qq"
		s.object.names[s.index] = `"` + name + `"`
		return "structure " + s.parent + "." + name
	}},
	{"change case", func(s site) string {
		name := strings.ToUpper(s.elem.Member[:1]) + s.elem.Member[1:]
		s.object.names[s.index] = `"` + name + `"`
		return "structure " + s.parent + "." + name
	}},
	{"duplicate", func(s site) string {
		s.object.names = append(s.object.names, s.object.names[s.index])
		s.object.kids = append(s.object.kids, s.object.kids[s.index])
		return "structure " + s.parent + "." + s.elem.Name
	}},
	{"drop required", func(s site) string {
		if !s.elem.Required || s.object.member("_"+s.elem.Member) != nil || len(s.object.names) == 1 {
			return ""
		}
		s.object.names = slices.Delete(s.object.names, s.index, s.index+1)
		s.object.kids = slices.Delete(s.object.kids, s.index, s.index+1)
		return "required " + s.parent + "." + s.elem.Name
	}},
	{"wrong JSON type", func(s site) string {
		value := s.first()
		switch {
		case (*value).kind == 'n':
			return ""
		case (*value).kind == '{':
			*value = &tree{kind: '"', raw: `"x"`}
			return "structure " + s.path()
		}
		*value = &tree{kind: '{', names: []string{`"value"`}, kids: []*tree{*value}}
		return "value " + s.path()
	}},
	{"null", func(s site) string {
		if s.elem.Many && (*s.first()).kind == 'n' {
			return ""
		}
		s.object.kids[s.index] = &tree{kind: 'n', raw: "null"}
		return "structure " + s.parent + "." + s.elem.Name
	}},
	{"array for one, or one for an array", func(s site) string {
		if kid := s.object.kids[s.index]; s.elem.Many {
			s.object.kids[s.index] = kid.kids[0]
		} else {
			s.object.kids[s.index] = &tree{kind: '[', kids: []*tree{kid}}
		}
		return "structure " + s.parent + "." + s.elem.Name
	}},
	{"bad code", func(s site) string {
		if s.elem.ValueSet == "" || (*s.first()).kind != '"' {
			return ""
		}
		*s.first() = &tree{kind: '"', raw: `"no-such-code"`}
		return "code-invalid " + s.path()
	}},
	{"bad value", func(s site) string {
		bad := map[string]string{
			"date": `"2023-02-30"`, "dateTime": `"2023-02-30"`, "instant": `"2023-02-28"`, "time": `"25:00:00"`, "id": `"a b"`,
			"code": `" a"`, "uri": `"a b"`, "url": `"a b"`, "canonical": `"a b"`, "oid": `"urn:oid:x"`, "uuid": `"x"`,
			"base64Binary": `"x"`, "boolean": `"true"`, "integer": `1.5`, "unsignedInt": `-1`, "positiveInt": `0`, "decimal": `"1"`,
			"string": `"\u0000"`, "markdown": `""`, "xhtml": `"<p>a</p>"`,
		}[s.elem.Type]
		if bad == "" || (*s.first()).kind == 'n' {
			return ""
		}
		*s.first() = &tree{kind: '"', raw: bad}
		return "value " + s.path()
	}},
	{"wrong target", func(s site) string {
		if s.elem.Type != "Reference" || s.elem.Targets == nil || slices.Contains(s.elem.Targets, "Linkage") {
			return ""
		}
		*s.first() = &tree{kind: '{', names: []string{`"reference"`}, kids: []*tree{{kind: '"', raw: `"Linkage/1"`}}}
		return "value " + s.path() + ".reference"
	}},
	{"empty element", func(s site) string {
		if (*s.first()).kind != '{' || s.elem.Type == "resource" {
			return ""
		}
		*s.first() = &tree{kind: '{'}
		return "structure " + s.path()
	}},
}

// TestAMutatedExampleIsRefusedAtTheRightPlace (G2.3) takes official examples that
// are valid, spoils one member anywhere in them, and wants the issue at its path.
func TestAMutatedExampleIsRefusedAtTheRightPlace(t *testing.T) {
	t.Parallel()
	files := exampleFiles(t, 30<<10)
	v := &Validator{Base: testBase}
	applied := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		file := rapid.SampledFrom(files).Draw(t, "file")
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Validate(body, ""); err != nil {
			t.Skip("not valid")
		}
		for _, m := range mutations {
			resource, err := readTree(newDecoder(body))
			if err != nil {
				t.Fatal(err)
			}
			// The first site from a random one on where the mutation can be made.
			all := resourceSites(resource, "")
			from := rapid.IntRange(0, len(all)-1).Draw(t, m.name)
			var s site
			want := ""
			for i := 0; i < len(all) && want == ""; i++ {
				s = all[(from+i)%len(all)]
				want = m.spoil(s)
			}
			if want == "" {
				continue
			}
			applied[m.name]++
			if got := found(v, resource.String()); !slices.Contains(got, want) && len(got) <= MaxIssues {
				t.Fatalf("%s: %s of %s.%s: want %q, got %q", filepath.Base(file), m.name, s.parent, s.elem.Member, want, got)
			}
		}
	})
	for _, m := range mutations {
		if applied[m.name] == 0 {
			t.Errorf("%s was never tried", m.name)
		}
	}
}

// found lists the issues of a body as "code path".
func found(v *Validator, body string) []string {
	_, err := v.Validate([]byte(body), "")
	var e *fhir.Error
	if !errors.As(err, &e) {
		return nil
	}
	var out []string
	for _, is := range e.Issues {
		out = append(out, fmt.Sprintf("%s %s", is.Code, is.Path))
	}
	return out
}
