package chartmap_test

import (
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir/chartmap"
)

// condition wraps the keys of a map on Condition, with problems as its array.
func condition(keys string, elements ...string) string {
	if len(elements) == 0 {
		elements = []string{"code: { text: problems.name }"}
	}
	return "chartmap: 1\nmaps:\n- name: p\n  resource: Condition\n  from: patients\n  " + keys + "\n  elements:\n    subject: { $ref: Patient, $from: _id, $write: derived }\n    " +
		strings.Join(elements, "\n    ")
}

func report(keys string) string {
	return "chartmap: 1\nmaps:\n- name: r\n  resource: DiagnosticReport\n  from: labs\n  " + keys +
		"\n  elements:\n    status: { $const: final }\n    code: { text: panel }\n    result: { $each: rows, $item: { $ref: Observation, $from: _id } }"
}

func TestFaultsOfEachAndGroupByAreReportedWhereTheyAre(t *testing.T) {
	t.Parallel()
	const dx = "id: _id\n  each: { array: problems, key: problems.nr, suffix: dx }"
	for _, tt := range []struct{ name, chart, want string }{
		{"each without its array", condition("id: _id\n  each: { suffix: dx }"), "c.yaml:7:9: each needs the array, and a suffix for the ids; write { array: problems, key: problems.nr, suffix: dx }"},
		{"each without a suffix", condition("id: _id\n  each: { array: problems }"), "each needs the array, and a suffix"},
		{"a suffix with a hyphen", condition("id: _id\n  each: { array: problems, suffix: d-x }"), `c.yaml:7:36: "d-x" cannot be the suffix of an id; use 1 to 16 letters`},
		{"a word of each", condition("id: _id\n  each: { aray: problems, suffix: dx }"), `unknown key "aray" in each; did you mean "array"?`},
		{"a key outside of the array", condition("id: _id\n  each: { array: problems, key: nr, suffix: dx }"), `each: the key "nr" is not within "problems", as the rules see it; write problems.nr`},
		{"an id within the array", condition("id: problems.nr\n  each: { array: problems, suffix: dx }"), "id is within the array; name the key of the document"},
		{"no rule for the elements", condition(dx, "code: { text: { $from: diagnosis, $write: derived } }"), `no rule reads anything of the elements of "problems"; map a field of problems, or remove each`},
		{"elements as documents and as values", condition("id: _id\n  each: { array: problems, suffix: dx }", "code: { text: problems.name }", "recorder: { $ref: Practitioner, $from: problems }"), "are read as documents, and as values"},
		{"the array as a list", condition(dx, "code: { text: problems.name }", "note: { $each: problems, $item: { text: t } }"), `c.yaml:11:20: Condition.note: with each, "problems" is one element, not an array; write rules for one element of it`},
		{"a rule that writes the document", condition(dx, "code: { text: problems.name }", "recordedDate: { $from: made, $as: dateTime }"), `c.yaml:11:19: the field "made" is the document's, not the element's, and cannot be written through an element of "problems"; mark the rule with $write: derived`},
		{"a rule that writes the key", condition(dx, "code: { text: problems.nr }"), `the field "problems.nr" is the key`},
		{"elements that are made", condition(dx + "\n  writable: true"), "elements of an array can be updated, but not created or deleted; write writable: [update]"},
		{"elements without a key that are written", condition("id: _id\n  each: { array: problems, suffix: dx }\n  writable: [update]"), "c.yaml:8:13: map \"p\": an element without a key cannot be told from another when it is written; add each.key"},
		{"a history of elements", condition(dx + "\n  version: v\n  history: { from: old, key: k }"), "history does not go with each; remove it"},
		{
			"two arrays with one suffix", condition(dx) + "\n- name: q\n  resource: Condition\n  from: patients\n  id: _id\n  each: { array: old, key: old.nr, suffix: dx }\n  elements: { subject: { $ref: Patient, $from: _id, $write: derived }, code: { text: old.name } }",
			`make Condition of different arrays or keys, so two elements could get the same id; give one of them another suffix`,
		},
		{"groupBy without its key", report("groupBy: { rows: rows }"), "c.yaml:6:12: groupBy needs the key that the documents have in common, and a name for their list; write { key: order_no, rows: results }"},
		{"groups of one", report("groupBy: { key: _id, rows: rows }"), "no two documents have the same _id"},
		{"rows below something", report("groupBy: { key: o, rows: a.b }"), `rows: "a.b" must be a name without a point`},
		{"an id beside groupBy", report("id: _id\n  groupBy: { key: o, rows: rows }"), `c.yaml:6:7: map "r": id does not go with groupBy; remove it`},
		{"groups that are written", report("groupBy: { key: o, rows: rows }\n  writable: [update]"), "cannot be written through groupBy; write writable: false, or remove it"},
		{"the least and the greatest", report("groupBy: { key: o, rows: rows, min: [a], max: [a] }"), `"a" is in min and in max; keep it in one of them`},
		{"each and groupBy", report("each: { array: a, suffix: s }\n  groupBy: { key: o, rows: rows }"), "groupBy does not go with each; make it two maps"},
		{
			"groups beside documents", report("groupBy: { key: o, rows: rows }") + "\n- name: s\n  resource: DiagnosticReport\n  from: reports\n  id: _id\n  elements: { status: { $const: final }, code: { text: t } }",
			"a group could get the id of another resource; give one of them a fanout with a suffix of its own",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			notLoaded(t, tt.chart, tt.want)
		})
	}
}

func TestElementsWithoutAKeyAndGroupsWithoutAnOwnerAreWarnedOf(t *testing.T) {
	t.Parallel()
	for chart, want := range map[string]string{
		condition("id: _id\n  each: { array: problems, suffix: dx }"):                   `c.yaml:7:9: warning: map "p": without a key, the id of an element is its position, and another's as soon as one before it comes or goes; name the field that tells them apart: key: problems.id`,
		condition("id: _id\n  each: { array: problems, key: problems.nr, suffix: dx }"): "",
		report("groupBy: { key: o, rows: rows }"):                                       `c.yaml:6:12: warning: map "r": without compartment, documents of two patients that have the key in common make one resource; add compartment: { Patient: … }`,
		report("groupBy: { key: o, rows: rows }\n  compartment: { Patient: pid }"):      "",
	} {
		m, err := chartmap.Load([]byte(chart), "c.yaml")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, w := range m.Warnings {
			got += w.String()
		}
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
