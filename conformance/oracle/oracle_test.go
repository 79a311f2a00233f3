package oracle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/fhir/go/fhirversion"
	"github.com/google/fhir/go/jsonformat"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
)

const examplesDir = "../../.cache/r4-examples/package"

// examples lists the official example resources.
func examples(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(examplesDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		if filepath.Base(f) != "package.json" {
			out = append(out, f)
		}
	}
	if len(out) < 5300 {
		t.Fatalf("%d examples in %s: run scripts/r4-definitions.sh", len(out), examplesDir)
	}
	return out
}

// verdicts are the opinions on one resource: nil where it is accepted.
type verdicts struct{ ours, theirs error }

func (v verdicts) agree() bool { return (v.ours == nil) == (v.theirs == nil) }

// judge asks both validators. An oracle that panics has refused.
func judge(body []byte) (v verdicts) {
	_, v.ours = (&schema.Validator{MaxBytes: 1 << 30}).Validate(body, "")
	v.theirs = ask(body)
	return v
}

func ask(body []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	u, err := jsonformat.NewUnmarshaller("UTC", fhirversion.R4)
	if err != nil {
		return err
	}
	// The oracle decodes base64 in place, in the caller's bytes.
	_, err = u.Unmarshal(append([]byte(nil), body...))
	return err
}

// first gives the first issue of ours, or what they say.
func (v verdicts) first() string {
	var e *fhir.Error
	if errors.As(v.ours, &e) {
		return fmt.Sprintf("portico refuses: %s: %s", e.Issues[0].Path, e.Issues[0].Detail)
	}
	return fmt.Sprintf("google/fhir refuses: %.300v", v.theirs)
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
