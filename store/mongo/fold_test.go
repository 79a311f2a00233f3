package mongo

import (
	"regexp"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/store"
)

// letters are those in which folding is not simple: cases, accents composed and
// not, letters that stand for several, syllables, marks of several scripts.
var letters = []rune("aAbBcdeEfFﬁﬀﬃﬅiIİıjǰJlLłnŉoOøœŒrsSßẞ\u017ftTþuU\u00fc\u0308\u0301\u0327äÄÅåæÆéĐđ" +
	"Σσς가각\u1100\u1161\u11a8はばハ\u3099ँक\u093cक़שׁ\u05c1 -.^$*+?()[]{}|\\/#&~\x00\n\"'1Ⅷⅷᾳα\u0345")

func text(t *rapid.T, name string) string {
	return string(rapid.SliceOfN(rapid.SampledFrom(letters), 0, 6).Draw(t, name))
}

// TestFoldPatternIsFold compares with package store, by Go's reading of the
// pattern, which for what is used here is MongoDB's.
func TestFoldPatternIsFold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		checkFold(t, text(t, "document"), text(t, "value"))
	})
}

// TestFoldPatternFindsParts draws the value from the document, so that most
// cases match.
func TestFoldPatternFindsParts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := text(t, "document")
		folded := []rune(store.Fold(s))
		from := rapid.IntRange(0, len(folded)).Draw(t, "from")
		to := rapid.IntRange(from, len(folded)).Draw(t, "to")
		checkFold(t, s, string(folded[from:to]))
	})
}

func FuzzFoldPattern(f *testing.F) {
	f.Add("Straße", "STRASS")
	f.Add("ﬁlm", "il")
	f.Add("각", "가")
	f.Add("e\u0301", "é")
	f.Fuzz(func(t *testing.T, s, v string) {
		// Validate refuses other text.
		checkFold(t, strings.ToValidUTF8(s, ""), strings.ToValidUTF8(v, ""))
	})
}

// checker is what rapid and testing share.
type checker interface {
	Helper()
	Fatalf(string, ...any)
}

// checkFold checks both patterns in both dialects: an exact one matches what
// the filter matches, another one no less.
func checkFold(t checker, s, v string) {
	t.Helper()
	if reordered(s) || reordered(v) {
		return
	}
	folded, want := store.Fold(s), store.Fold(v)
	for _, d := range []dialect{pcre(), plain()} {
		for contains, match := range map[bool]bool{true: strings.Contains(folded, want), false: strings.HasPrefix(folded, want)} {
			pattern, exact := d.foldPattern(v, contains)
			re, err := regexp.Compile(pattern)
			if err != nil {
				t.Fatalf("pattern %q of %q: %v", pattern, v, err)
			}
			got := re.MatchString(s)
			if got != match && (exact || match) {
				t.Fatalf("pattern %q of %q (contains %v, exact %v) matches %q: %v, want %v", pattern, v, contains, exact, s, got, match)
			}
			if len(pattern) > d.longest {
				t.Fatalf("the pattern has %d bytes", len(pattern))
			}
		}
	}
}

// reordered says whether s has spacing marks, which normalization may put into
// another order. No orthography has two of them on one letter.
func reordered(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Mc, r) })
}

func TestEveryLetterIsFoundByItsFolding(t *testing.T) {
	t.Parallel()
	for _, spellings := range folds().first {
		for _, s := range spellings {
			if len([]rune(s.folded)) == 1 && s.rune > 0x2000 {
				continue // the random tests have enough of these
			}
			checkFold(t, "x"+string(s.rune)+"y", s.folded)
			checkFold(t, string(s.rune), string([]rune(s.folded)[:1]))
		}
	}
}

func TestCommonNamesAreFoundExactly(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"shaw", "Müller", "O'Brien", "Strasse", "Łukasz", "김민준", "Anne-Marie", "ffi", strings.Repeat("ab", 40)} {
		for _, contains := range []bool{true, false} {
			if _, exact := pcre().foldPattern(v, contains); !exact {
				t.Errorf("%q is not exact", v)
			}
		}
	}
}

func TestManyWaysToSpellAreFoundAndCheckedAgain(t *testing.T) {
	t.Parallel()
	v := strings.Repeat("s", 40)
	pattern, exact := pcre().foldPattern(v, false)
	if exact || len(pattern) > 4000 {
		t.Errorf("exact %v, a pattern of %d bytes", exact, len(pattern))
	}
	checkFold(t, strings.Repeat("ß", 20), v)
	checkFold(t, strings.Repeat("sß", 14), v)
}

func TestLongTextIsCutShort(t *testing.T) {
	t.Parallel()
	checkFold(t, strings.Repeat("s", 200_000), strings.Repeat("ß", 50_000))
	long := strings.Repeat("ax", 100_000)
	checkFold(t, long, long)
	pattern, exact := pcre().literalPattern(strings.Repeat("é.", 20_000), false)
	if exact || len(pattern) > pcre().longest || !regexp.MustCompile(pattern).MatchString(strings.Repeat("é.", 20_000)) {
		t.Errorf("exact %v, a pattern of %d bytes", exact, len(pattern))
	}
}

func FuzzLiteralPattern(f *testing.F) {
	f.Add("a.b", "a.b*")
	f.Fuzz(func(t *testing.T, s, v string) {
		s, v = strings.ToValidUTF8(s, ""), strings.ToValidUTF8(v, "")
		for contains, want := range map[bool]bool{true: strings.Contains(s, v), false: strings.HasPrefix(s, v)} {
			pattern, exact := pcre().literalPattern(v, contains)
			re, err := regexp.Compile(pattern)
			if err != nil {
				t.Fatalf("pattern %q: %v", pattern, err)
			}
			if got := re.MatchString(s); got != want && (exact || want) {
				t.Fatalf("pattern %q matches %q: %v, want %v", pattern, s, got, want)
			}
		}
	})
}
