package record

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var testStamp = stamp{id: "n1", version: 7, updated: time.Date(2026, 11, 22, 16, 30, 0, 5e6, time.UTC)}

const (
	ver    = `"versionId":"7"`
	upd    = `"lastUpdated":"2026-11-22T16:30:00.005Z"`
	stamp7 = ver + "," + upd
)

func TestSplice(t *testing.T) {
	t.Parallel()
	tests := []struct{ claim, in, want string }{
		{"both are inserted behind resourceType", `{"resourceType":"Basic","x":1}`, `{"resourceType":"Basic","id":"n1","meta":{` + stamp7 + `},"x":1}`},
		{"an empty resource gets them too", ` {"resourceType" : "Basic" } `, ` {"resourceType" : "Basic","id":"n1","meta":{` + stamp7 + `} } `},
		{"resourceType may be last", `{"x":[{"id":"no"}],"resourceType":"Basic"}`, `{"x":[{"id":"no"}],"resourceType":"Basic","id":"n1","meta":{` + stamp7 + `}}`},
		{"meta follows the id where that stands", `{"id" : "old", "x":1,"resourceType":"Basic"}`, `{"id" : "n1","meta":{` + stamp7 + `}, "x":1,"resourceType":"Basic"}`},
		{
			"a client's version and time are replaced in place", `{"meta":{ "source":"s", "lastUpdated" : "2000-01-01T00:00:00Z", "versionId":"x" },"resourceType":"Basic","id":"o"}`,
			`{"meta":{ "source":"s", "lastUpdated" : "2026-11-22T16:30:00.005Z", "versionId":"7" },"resourceType":"Basic","id":"n1"}`,
		},
		{
			"profile, tags and security stay", `{"resourceType":"Basic","meta":{"profile":["p"],"tag":[{"code":"\u0061"}]}}`,
			`{"resourceType":"Basic","id":"n1","meta":{` + stamp7 + `,"profile":["p"],"tag":[{"code":"\u0061"}]}}`,
		},
		{"a missing time is inserted beside a version", `{"resourceType":"Basic","meta":{"versionId":"1","source":"s"}}`, `{"resourceType":"Basic","id":"n1","meta":{` + upd + `,"versionId":"7","source":"s"}}`},
		{"a missing version is inserted beside a time", `{"resourceType":"Basic","meta":{"lastUpdated":"z"}}`, `{"resourceType":"Basic","id":"n1","meta":{` + ver + `,"lastUpdated":"2026-11-22T16:30:00.005Z"}}`},
		{"an empty meta is filled", `{"resourceType":"Basic","meta":{ }}`, `{"resourceType":"Basic","id":"n1","meta":{` + stamp7 + ` }}`},
		{"companions go, from the front", `{"resourceType":"Basic","meta":{"_versionId":{"id":"a"}, "versionId":"1","lastUpdated":"z"}}`, `{"resourceType":"Basic","id":"n1","meta":{ "versionId":"7",` + upd + `}}`},
		{"companions go, from the middle", `{"resourceType":"Basic","meta":{"versionId":"1","_versionId":{"id":"a"},"lastUpdated":"z","_lastUpdated":{"id":"b"},"source":"s"}}`, `{"resourceType":"Basic","id":"n1","meta":{"versionId":"7",` + upd + `,"source":"s"}}`},
		{"companions go, from the end", `{"resourceType":"Basic","meta":{"versionId":"1","lastUpdated":"z", "_lastUpdated":{"id":"b"} }}`, `{"resourceType":"Basic","id":"n1","meta":{"versionId":"7",` + upd + ` }}`},
		{"companions alone leave a stamped meta", `{"resourceType":"Basic","meta":{"_versionId":{"id":"a"},"_lastUpdated":{"id":"b"}}}`, `{"resourceType":"Basic","id":"n1","meta":{` + stamp7 + `}}`},
		{
			"escaped names are the same names", `{"\u0069d":"o","resourceTyp\u0065":"Basic","\u006deta":{"version\u0049d":"1","\u005fversionId":{"id":"a"}}}`,
			`{"\u0069d":"n1","resourceTyp\u0065":"Basic","\u006deta":{` + upd + `,"version\u0049d":"7"}}`,
		},
		{"names with quotes and braces confuse nothing", `{"resourceType":"Basic","a\"}":"{\\","id":"o","b":"\\\"id\":1"}`, `{"resourceType":"Basic","a\"}":"{\\","id":"n1","meta":{` + stamp7 + `},"b":"\\\"id\":1"}`},
		{
			"decimals, escapes and white space stay", "{\n\t\"resourceType\": \"Basic\",\n\t\"v\": 1.50e+00,\n\t\"s\": \"\\u00e4\\/\"\n}\n",
			"{\n\t\"resourceType\": \"Basic\",\"id\":\"n1\",\"meta\":{" + stamp7 + "},\n\t\"v\": 1.50e+00,\n\t\"s\": \"\\u00e4\\/\"\n}\n",
		},
		{"an id extension stays", `{"resourceType":"Basic","id":"o","_id":{"id":"x"},"meta":{"id":"m"}}`, `{"resourceType":"Basic","id":"n1","_id":{"id":"x"},"meta":{` + stamp7 + `,"id":"m"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			got, err := splice([]byte(tt.in), testStamp)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSpliceRefusesWhatIsNoResource(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "null", "[]", `"x"`, "{", "{}", `{"id":"x"}`, `{"resourceType":"Basic"`, `{"resourceType":"Basic","meta":7}`, `{"resourceType":"Basic","meta":null}`,
		`{"resourceType":"Basic","meta":[{}]}`, `{"resourceType":"Basic" "id":"x"}`, `{resourceType:"Basic"}`, `{"resourceType"}`, `{"resourceType":}`, `{"a`, `{"a\`,
	} {
		if got, err := splice([]byte(in), testStamp); err == nil {
			t.Errorf("%s became %s", in, got)
		}
	}
}

func TestSameIgnoresOnlyWhatTheServerOwnsAndWhiteSpace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		claim, a, b string
		want        bool
	}{
		{"id, version and time", `{"resourceType":"Basic","id":"a","meta":{"versionId":"1","lastUpdated":"x"},"x":1}`, `{"resourceType":"Basic","x":1}`, true},
		{"their places", `{"resourceType":"Basic","id":"a","meta":{"source":"s"},"x":1}`, `{"meta":{"source":"s","versionId":"3"},"resourceType":"Basic","x":1,"id":"b"}`, true},
		{"white space", `{"resourceType":"Basic","x":[1,"a b"]}`, "{ \"resourceType\" : \"Basic\" ,\n\"x\" : [ 1 , \"a b\" ] }", true},
		{"white space within text", `{"resourceType":"Basic","x":"a b"}`, `{"resourceType":"Basic","x":"a  b"}`, false},
		{"the text of a decimal", `{"resourceType":"Basic","x":1.0}`, `{"resourceType":"Basic","x":1.00}`, false},
		{"another profile", `{"resourceType":"Basic","meta":{"profile":["p"]}}`, `{"resourceType":"Basic","meta":{"profile":["q"]}}`, false},
		{"a profile gone", `{"resourceType":"Basic","meta":{"profile":["p"]}}`, `{"resourceType":"Basic"}`, false},
		{"meta's members are not the resource's", `{"resourceType":"Basic","meta":{"language":"de"}}`, `{"resourceType":"Basic","language":"de"}`, false},
		{"an id further down", `{"resourceType":"Basic","text":{"id":"a"}}`, `{"resourceType":"Basic","text":{"id":"b"}}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			got, err := same([]byte(tt.a), []byte(tt.b))
			if err != nil || got != tt.want {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// checkSplice holds a splice of valid JSON to its contract.
func checkSplice(t interface {
	Helper()
	Fatalf(string, ...any)
}, body []byte,
) {
	t.Helper()
	got, err := splice(body, testStamp)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if !jsontext.Value(got).IsValid() {
		t.Fatalf("%s became invalid: %s", body, got)
	}
	top, err := outline(got)
	if err != nil || string(got[top.id.start:top.id.end]) != `"n1"` {
		t.Fatalf("%s became %s: id %q, %v", body, got, got[top.id.start:top.id.end], err)
	}
	hasVersion, hasUpdated, err := stamped(got[:top.meta.end], top.meta.start)
	if err != nil || !hasVersion || !hasUpdated {
		t.Fatalf("%s became %s: not stamped", body, got)
	}
	if ok, err := same(body, got); err != nil || !ok {
		t.Fatalf("%s became %s: the client's part changed (%v)", body, got, err)
	}
	again, err := splice(got, testStamp)
	if err != nil || !bytes.Equal(again, got) {
		t.Fatalf("spliced twice:\n%s\n%s (%v)", got, again, err)
	}
	other, err := splice(got, stamp{id: "something-else", version: 123456, updated: testStamp.updated.Add(time.Hour)})
	if err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if back, err := splice(other, testStamp); err != nil || !bytes.Equal(back, got) {
		t.Fatalf("spliced there and back:\n%s\n%s (%v)", got, back, err)
	}
}

func TestSpliceKeepsEverythingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { checkSplice(t, []byte(drawResource(t))) })
}

// drawResource gives JSON that has a resourceType and perhaps id, meta and
// others, in any order, with any white space, some names escaped.
func drawResource(t *rapid.T) string {
	members := []string{drawMember(t, "resourceType", `"Basic"`)}
	if rapid.Bool().Draw(t, "id") {
		members = append(members, drawMember(t, "id", `"old"`))
	}
	if rapid.Bool().Draw(t, "meta") {
		var inner []string
		for _, m := range [][2]string{{"versionId", `"1"`}, {"lastUpdated", `"2000"`}, {"_versionId", `{"id":"a"}`}, {"_lastUpdated", ` [ {"versionId":"no"} , null]`}, {"profile", `["p", "q" ]`}, {"source", `"s,\"}"`}} {
			if rapid.Bool().Draw(t, m[0]) {
				inner = append(inner, drawMember(t, m[0], m[1]))
			}
		}
		members = append(members, drawMember(t, "meta", drawObject(t, inner)))
	}
	for _, name := range []string{"a", "ident", "_id", "text"} {
		if rapid.Bool().Draw(t, name) {
			value := rapid.SampledFrom([]string{`1.50`, `-0e-0`, `true`, `""`, `"\""`, `"\\"`, `[]`, `{}`, `[[{"id":"x","meta":{}}]]`, `{"id":"y","resourceType":"Patient"}`, "[ 1 ,\t\"ä{\"\n]"}).Draw(t, "value")
			members = append(members, drawMember(t, name, value))
		}
	}
	return drawSpace(t) + drawObject(t, members) + drawSpace(t)
}

func drawObject(t *rapid.T, members []string) string {
	if len(members) == 0 {
		return "{" + drawSpace(t) + "}"
	}
	return "{" + strings.Join(rapid.Permutation(members).Draw(t, "order"), ",") + "}"
}

func drawMember(t *rapid.T, name, value string) string {
	if rapid.IntRange(0, 4).Draw(t, "escape") == 0 {
		name = strings.NewReplacer("d", `\u0064`, "e", `\u0065`, "_", `\u005F`).Replace(name)
	}
	return drawSpace(t) + `"` + name + `"` + drawSpace(t) + ":" + drawSpace(t) + value + drawSpace(t)
}

func drawSpace(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "", " ", "\n\t", "\r\n  "}).Draw(t, "space")
}

func FuzzSplice(f *testing.F) {
	for _, s := range []string{`{"resourceType":"Basic","id":"x","meta":{"_versionId":{},"source":"s"}}`, `{"\u0069d":"x","resourceType":"Basic"}`, `{"meta":{},"resourceType":"a"}`, "{\"a\\"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := splice(body, testStamp)
		if err == nil && jsontext.Value(body).IsValid() {
			checkSplice(t, body)
		}
	})
}

func BenchmarkSplice(b *testing.B) {
	body := []byte(`{"resourceType":"Observation","id":"example","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns"]},"status":"final",` +
		strings.Repeat(`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}]}],`, 10) + `"valueInteger":1}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := splice(body, testStamp); err != nil {
			b.Fatal(err)
		}
	}
}
