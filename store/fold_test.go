package store_test

import (
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/store"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                    "",
		"plain":               "plain",
		"UPPER-Case 1":        "upper-case 1",
		"Müller":              "muller",
		"Mu\u0308ller":        "muller",
		"STRASSE, Straße":     "strasse, strasse",
		"GROẞ":                "gross",
		"Ærø, Œuvre, Øst":     "aero, oeuvre, ost",
		"Łódź, Đorđe, Ħamrun": "lodz, dorde, hamrun",
		"Þórður":              "thordur",
		"İstanbul, ısı":       "istanbul, isi",
		"Σίσυφος":             "σισυφοσ",
		"Йод":                 "иод",
		"ﬁ":                   "fi",
		"山田":                  "山田",
		"a\x00B":              "a\x00b",
		"\xffA\xfe":           "\xffa\xfe",
		"é\xff":               "e\xff",
	} {
		if got := store.Fold(text); got != want {
			t.Errorf("Fold(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestFoldingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		once := store.Fold(rapid.String().Draw(t, "text"))
		if twice := store.Fold(once); twice != once {
			t.Errorf("Fold gives %q, and of that %q", once, twice)
		}
	})
}

func TestFoldingEveryLetter(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) || !unicode.IsLetter(r) && !unicode.IsMark(r) {
			continue
		}
		once := store.Fold(string(r))
		if twice := store.Fold(once); twice != once {
			t.Errorf("%q folds to %q, and that to %q", r, once, twice)
		}
		if unicode.Is(unicode.Mn, r) {
			continue // dropped, though one of them has a capital
		}
		if up, low := store.Fold(string(unicode.ToUpper(r))), store.Fold(string(unicode.ToLower(r))); up != low {
			t.Errorf("%q folds to %q in upper case, to %q in lower", r, up, low)
		}
	}
}
