package store_test

import (
	"testing"

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
