package index

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

func TestWordsAreRunsOfLettersAndDigits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                          nil,
		" -- ":                      nil,
		"Bone, liver":               {"bone", "liver"},
		"O'Neil's C22-1":            {"o", "neil", "s", "c22", "1"},
		"STRASSE Straße":            {"strasse", "strasse"},
		"Ångström ångström":         {"angstrom", "angstrom"},
		"हिन्दी":                    wordsIn("हिन्दी"), // one word, whatever folds
		"日本語 テキスト":                  {"日本語", "テキスト"},
		"3.5mg\u00a0twice\u2003day": {"3", "5mg", "twice", "day"},
	} {
		if diff := cmp.Diff(want, wordsIn(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	if n := len(wordsIn("हिन्दी")); n != 1 {
		t.Errorf("a word with vowel signs is %d words", n)
	}
}

func TestMarkupIsNoText(t *testing.T) {
	t.Parallel()
	for xhtml, want := range map[string]string{
		`<div xmlns="http://www.w3.org/1999/xhtml">a<b>b</b> c</div>`: "ab c",
		`<div><p>one</p><p>two</p>three<br/>four</div>`:               "one two three four",
		`<div><table><tr><td>1</td><td>2</td></tr></table></div>`:     "1 2",
		`<div>&lt;b&gt; &amp; &#233; &nbsp;x</div>`:                   "<b> & é \u00a0x",
		`<div>a<!-- <p>no</p> -->b</div>`:                             "a b",
		`<div><a href="x>y">z</a></div>`:                              `y">z`,
		`no markup`:                                                   "no markup",
		`<div`:                                                        "",
		`a<`:                                                          "a",
		`<div>` + strings.Repeat("<", 10) + `</div>`:                  "",
		`<div><img alt="not said" src="#x"/>said</div>`:               "said",
		`<div><span>in</span><span>side</span> <em>w</em><strong>ord</strong></div>`: "inside word",
		`<div><ul><li>first</li><li>second</li></ul></div>`:                          "first second",
		`<div><h1>Title</h1>text</div>`:                                              "Title text",
		`<div><sup>1</sup>H</div>`:                                                   "1H",
		"<div\n class=\"x\">line</div>":                                              "line",
	} {
		if got := strings.Join(strings.FieldsFunc(plainText(xhtml), func(r rune) bool { return r == ' ' }), " "); got != want {
			t.Errorf("%s: %q, want %q", xhtml, got, want)
		}
	}
}

func TestG7_19_TheWordsOfAResourceAreBounded(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&text, "w%d ", i)
	}
	body := fmt.Appendf(nil, `{"resourceType":"Basic","text":{"status":"generated","div":"<div>narrative</div>"},"code":{"text":%q}}`, text.String()+strings.Repeat("x", 5000))
	x := &Indexer{}
	e, err := x.Index("Basic", body)
	if err != nil {
		t.Fatal(err)
	}
	words, doc := 0, entries(t, x, "Basic", "long", body).doc
	for _, k := range e.Keys {
		if len(k) > maxWord*utf8.UTFMax+1 && strings.HasPrefix(k, Of("Basic").byName[paramContent].code) {
			t.Errorf("an entry of %d bytes", len(k))
		}
		if strings.HasPrefix(k, Of("Basic").byName[paramContent].code) {
			words++
		}
	}
	if words != maxWords { // one for each but the narrative's, and one for the rest
		t.Errorf("%d entries of words", words)
	}
	c, m := &Compiler{Indexer: *x, Field: "k"}, &Matcher{Indexer: *x}
	for word, want := range map[string]bool{"w1": true, "w2999": true, "w3000": false, "narrative": true} {
		term := fhir.Term{Param: Of("Basic").byName[paramContent].SearchParam, Value: fhir.WordsValue{Text: word}}
		plan, err := c.Compile("Basic", term)
		if err != nil {
			t.Fatal(err)
		}
		if sure, doubt := store.Match(plan.Apart.Sure, doc), store.Match(plan.Apart.Doubt, doc); sure && (doubt || !want) || want && !sure && !doubt {
			t.Errorf("%s: for sure %v, in doubt %v", word, sure, doubt)
		}
		got, err := m.Match("Basic", body, term)
		if err != nil || got != want || want && !store.Match(plan.Where, doc) {
			t.Errorf("%s: matches %v, %v; by the index %v", word, got, err, store.Match(plan.Where, doc))
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"Bone pain", "<div>a<b>c</b></div>", "O'Neil", "Straße İ", "\xff\xfe", "<", "&#x;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words := wordsIn(plainText(s))
		if len(words) == 0 {
			return
		}
		for _, w := range words {
			if w == "" || !slices.Equal(wordsIn(w), []string{w}) && utf8.ValidString(s) {
				t.Errorf("%q: the word %q is %q", s, w, wordsIn(w))
			}
		}
		if !stand(words, words, false) || !stand(words, words[len(words)-1:], true) {
			t.Errorf("%q does not say what it says", s)
		}
	})
}
