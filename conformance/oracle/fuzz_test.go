package oracle

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

// stricter are words of the details of our issues that the oracle does not look for.
var stricter = []string{
	// It takes "_name": "value" for "name": "value", and "name": {"id": …} for "_name".
	"with id or extension", "not an object", "takes no companion",
	// Null, empty arrays, objects and strings, ele-1.
	"null is not allowed", "is empty", "has only an id", "neither value nor extension", " has 0;", " has 0 entries",
	// Any string is a reference; a URI may have white space; control characters in Markdown.
	"not a reference:", "a URI without white space", "control character", "the id of an element has no white space",
	// It holds only codes without a value set against their format.
	"not a valid code:",
	// Constraints that are FHIRPath for it: ext-1, txt-1, txt-2, inv-1 of Parameters, dom-2; contained ids.
	"(ext-1)", "the narrative is not allowed", "(inv-1)", "(dom-2)", "no contained resource with the id",
	"needs an id to be referenced by", "two contained resources",
}

// laxer are words of the oracle's messages about what R4 allows: a uri is any
// text without white space, also where net/url cannot parse it ("12:00").
var laxer = []string{"invalid uri", "invalid url", "invalid canonical"}

// FuzzVerdicts changes official examples at random and wants the verdict of
// google/fhir, but for the differences of stricter and laxer.
func FuzzVerdicts(f *testing.F) {
	files := slices.DeleteFunc(examples(f), func(file string) bool {
		info, err := os.Stat(file)
		return err != nil || info.Size() > 20<<10
	})
	for i := range uint64(4000) {
		f.Add(i*7919, i)
	}
	f.Fuzz(func(t *testing.T, example, seed uint64) {
		file := files[example%uint64(len(files))]
		body, err := mutator{rand.New(rand.NewPCG(example, seed))}.mutate(read(t, file))
		if err != nil {
			t.Skip(err)
		}
		if v := judge(body); !v.agree() && !v.tolerable() {
			t.Errorf("%s: %s\n%s", filepath.Base(file), v.first(), body)
		}
	})
}

// tolerable reports whether a difference is a known one.
func (v verdicts) tolerable() bool {
	var e *fhir.Error
	if errors.As(v.ours, &e) {
		return !slices.ContainsFunc(e.Issues, func(is fhir.Issue) bool {
			return !mentions(is.Detail, stricter) && !unseen(is)
		})
	}
	return mentions(v.theirs.Error(), laxer)
}

// unseen reports whether an issue is in a contained resource and of the kind that the
// oracle finds in a second pass, which does not enter contained resources.
func unseen(is fhir.Issue) bool {
	return strings.Contains(is.Path, ".contained[") &&
		(is.Code == fhir.CodeRequired || mentions(is.Detail, []string{"not a valid ", "is not allowed here"}))
}

func mentions(text string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}
