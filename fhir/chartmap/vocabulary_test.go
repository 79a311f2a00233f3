package chartmap

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/testdata/clinic"
)

// schemaNode is a part of the JSON Schema.
type schemaNode = map[string]any

func jsonSchemaTree(t *testing.T) schemaNode {
	t.Helper()
	var s schemaNode
	if err := json.Unmarshal([]byte(JSONSchema()), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func at(s schemaNode, path ...string) schemaNode {
	for _, p := range path {
		s, _ = s[p].(schemaNode)
	}
	return s
}

func keys(s schemaNode) []string { return slices.Sorted(maps.Keys(s)) }

func TestTheSchemaAndTheLoaderKnowTheSameWords(t *testing.T) {
	t.Parallel()
	s := jsonSchemaTree(t)
	same := func(what string, inSchema, inLoader []string) {
		t.Helper()
		slices.Sort(inLoader)
		if diff := cmp.Diff(inLoader, inSchema); diff != "" {
			t.Errorf("%s: schema (+), loader (-):\n%s", what, diff)
		}
	}
	words := vocabulary()
	for _, rule := range at(s, "$defs", "rule")["oneOf"].([]any) {
		props := keys(at(rule.(schemaNode), "properties"))
		i := slices.IndexFunc(props, func(p string) bool {
			_, leads := words[p]
			return leads && at(rule.(schemaNode))["required"].([]any)[0] == p
		})
		if i < 0 {
			continue
		}
		lead := props[i]
		with := append([]string{lead}, words[lead]...)
		same(lead, props, with)
		delete(words, lead)
	}
	if len(words) > 0 {
		t.Errorf("the schema has no rule for %v", keys(toNode(words)))
	}
	same("each", keys(at(s, "$defs", "map", "properties", "each", "properties")), slices.Clone(eachKeys))
	same("groupBy", keys(at(s, "$defs", "map", "properties", "groupBy", "properties")), slices.Clone(groupKeys))
	same("maps", keys(at(s, "$defs", "map", "properties")), slices.Clone(mapKeys))
	same("top", keys(at(s, "properties")), slices.Clone(topKeys))
	same("codes", keys(at(s, "properties", "codes", "additionalProperties", "properties")), slices.Clone(tableKeys))
	for _, rule := range at(s, "$defs", "rule")["oneOf"].([]any) {
		if as := at(rule.(schemaNode), "properties", "$as"); as != nil {
			found := []string{"linear"}
			for _, w := range as["oneOf"].([]any)[0].(schemaNode)["enum"].([]any) {
				found = append(found, w.(string))
			}
			slices.Sort(found)
			same("$as", found, conversions())
		}
	}
}

func toNode(m map[string][]string) schemaNode {
	out := schemaNode{}
	for k := range m {
		out[k] = nil
	}
	return out
}

func TestTheSchemaAcceptsOurChartMapsAndRefusesFaults(t *testing.T) {
	t.Parallel()
	s := jsonSchemaTree(t)
	every, err := os.ReadFile("testdata/every/chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"demo": clinic.ChartMap(), "every": every} {
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		if problem := check(s, s, plain(v)); problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
	}
	for _, bad := range []string{
		"{chartmap: 2, maps: []}", "{chartmap: 1}", "{chartmap: 1, maps: [], more: 1}",
		"{chartmap: 1, maps: [{name: x, resource: Patient, from: p, id: _id, elements: {active: {$fromm: x}}}]}",
		"{chartmap: 1, maps: [{name: x, resource: Patient, from: p, id: _id, elements: {active: {$from: x, $as: nott}}}]}",
	} {
		var v any
		if err := yaml.Unmarshal([]byte(bad), &v); err != nil {
			t.Fatal(err)
		}
		if check(s, s, plain(v)) == "" {
			t.Errorf("accepted: %s", bad)
		}
	}
}

// plain gives what JSON would hold: names are strings.
func plain(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case schemaNode:
		for k := range v {
			v[k] = plain(v[k])
		}
	case map[any]any:
		out := schemaNode{}
		for k, e := range v {
			out[fmt.Sprint(k)] = plain(e)
		}
		return out
	}
	return v
}

// check validates v by the few keywords that the schema uses.
func check(root, s schemaNode, v any) string {
	if ref, ok := s["$ref"].(string); ok {
		return check(root, at(root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...), v)
	}
	if c, ok := s["const"]; ok && fmt.Sprint(c) != fmt.Sprint(v) {
		return fmt.Sprintf("%v is not %v", v, c)
	}
	if enum, ok := s["enum"].([]any); ok && !slices.ContainsFunc(enum, func(e any) bool { return e == v }) {
		return fmt.Sprintf("%v is not one of %v", v, enum)
	}
	if any, ok := s["oneOf"].([]any); ok {
		n, last := 0, ""
		for _, alt := range any {
			if p := check(root, alt.(schemaNode), v); p == "" {
				n++
			} else {
				last = p
			}
		}
		if n != 1 {
			return fmt.Sprintf("%v fits %d alternatives (%s)", v, n, last)
		}
	}
	if want, ok := s["type"].(string); ok && want != kindOf(v) && !(want == "number" && kindOf(v) == "integer") {
		return fmt.Sprintf("%v is no %s", v, want)
	}
	if any, ok := s["type"].([]any); ok && !slices.ContainsFunc(any, func(want interface{}) bool { return want == kindOf(v) || want == "number" && kindOf(v) == "integer" }) {
		return fmt.Sprintf("%v is none of %v", v, any)
	}
	if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(fmt.Sprint(v)) {
		return fmt.Sprintf("%v does not match %s", v, p)
	}
	switch v := v.(type) {
	case []any:
		items, _ := s["items"].(schemaNode)
		for _, item := range v {
			if p := check(root, items, item); p != "" {
				return p
			}
		}
	case schemaNode:
		return checkObject(root, s, v)
	}
	return ""
}

func checkObject(root, s, v schemaNode) string {
	required, _ := s["required"].([]any)
	for _, r := range required {
		if _, ok := v[r.(string)]; !ok {
			return fmt.Sprintf("%v is missing", r)
		}
	}
	for _, name := range keys(v) {
		sub, known := at(s, "properties")[name]
		for pattern, other := range at(s, "patternProperties") {
			if !known && regexp.MustCompile(pattern).MatchString(name) {
				sub, known = other, true
			}
		}
		if !known {
			sub = s["additionalProperties"]
		}
		switch sub := sub.(type) {
		case bool:
			return name + " is not allowed"
		case schemaNode:
			if p := check(root, sub, v[name]); p != "" {
				return name + ": " + p
			}
		}
	}
	return ""
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int:
		return "integer"
	case float64:
		return "number"
	case []any:
		return "array"
	case schemaNode:
		return "object"
	}
	return "null"
}
