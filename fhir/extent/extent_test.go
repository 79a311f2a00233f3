package extent_test

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir/extent"
)

func TestEnd(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"a\"b\\" , 1`:        `"a\"b\\"`,
		`"\\\""]`:             `"\\\""`,
		`-1.50e3,`:            `-1.50e3`,
		`true}`:               `true`,
		`null`:                `null`,
		`{"a":["}",{}]} more`: `{"a":["}",{}]}`,
		`[[],"]"]]`:           `[[],"]"]`,
		`}`:                   ``,
		`, 1`:                 ``,
		`"open`:               ``,
		`"open\"`:             ``,
		`{"a":"`:              ``,
		``:                    ``,
	} {
		if got := text[:extent.End([]byte(text), 0)]; got != want {
			t.Errorf("%s: the value is %q, want %q", text, got, want)
		}
	}
	if got := extent.Space([]byte(" \n\t\r x"), 0); got != 5 {
		t.Errorf("the white space ends at %d", got)
	}
}

// FuzzEnd looks that what is JSON is one value as a whole, and that no text leads beyond its end.
func FuzzEnd(f *testing.F) {
	for _, text := range []string{`{"a":[1,"\\"]} `, ` "\u00e9" `, `[{"b":null}`, `"\`, `12 3`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		start := extent.Space(text, 0)
		end := extent.End(text, start)
		if start > len(text) || end < start || end > len(text) {
			t.Fatalf("%q: %d to %d", text, start, end)
		}
		if !jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			return
		}
		for _, behind := range []string{"", ",1", "]", "}", "\n"} { // wherever it stands
			if got := extent.End(append(text[:end:end], behind...), start); got != end || len(bytes.Trim(text[end:], " \t\r\n")) > 0 {
				t.Fatalf("%q before %q: it ends at %d, want %d", text, behind, got, end)
			}
		}
	})
}
