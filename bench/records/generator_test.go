package records

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"testing"

	"github.com/portico-fhir/portico/fhir/invariant"
	"github.com/portico-fhir/portico/fhir/schema"
)

func generate(t testing.TB, count int, seed uint64) []byte {
	t.Helper()
	var out bytes.Buffer
	g := Generator{Count: count, Seed: seed}
	if err := g.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestEveryResourceIsValidAndRefersToEarlierOnes(t *testing.T) {
	t.Parallel()
	v := &invariant.Validator{Schema: &schema.Validator{}}
	reference := regexp.MustCompile(`"reference":"([^"#]+)"`)
	known, types := make(map[string]bool), make(map[string]int)
	lines := bytes.Split(bytes.TrimSuffix(generate(t, 6000, 7), []byte("\n")), []byte("\n"))
	for i, line := range lines {
		info, err := v.Validate(line, "")
		if err != nil {
			t.Fatalf("line %d: %v\n%s", i, err, line)
		}
		for _, m := range reference.FindAllSubmatch(line, -1) {
			if !known[string(m[1])] {
				t.Fatalf("line %d refers to %s, which is not there: %s", i, m[1], line)
			}
		}
		key := string(info.Type) + "/" + info.ID
		if known[key] {
			t.Fatalf("%s comes twice", key)
		}
		known[key] = true
		types[string(info.Type)]++
	}
	if len(lines) != 6000 {
		t.Errorf("%d lines", len(lines))
	}
	if share := float64(types["Observation"]) / 6000; share < 0.38 || share > 0.50 {
		t.Errorf("%.0f %% are Observations, not 44: %v", 100*share, types)
	}
	for _, typ := range []string{
		"Patient", "Practitioner", "Organization", "Location", "Schedule", "Slot", "Appointment", "Encounter", "Condition",
		"DiagnosticReport", "Procedure", "Immunization", "MedicationRequest", "DocumentReference", "Claim", "ExplanationOfBenefit", "Communication",
	} {
		if types[typ] == 0 {
			t.Errorf("no %s", typ)
		}
	}
	t.Logf("%v", types)
}

func TestASeedGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	first := generate(t, 2000, 1)
	if !bytes.Equal(first, generate(t, 2000, 1)) {
		t.Error("the same seed gives other bytes")
	}
	if bytes.Equal(first, generate(t, 2000, 2)) {
		t.Error("another seed gives the same bytes")
	}
	for _, line := range bytes.Split(bytes.TrimSuffix(first, []byte("\n")), []byte("\n")) {
		if !json.Valid(line) {
			t.Fatalf("no JSON: %s", line)
		}
	}
}

func TestACancelledContextEndsTheWork(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := Generator{Count: 1 << 40, Seed: 1}
	if err := g.Write(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func BenchmarkGenerate(b *testing.B) {
	g := Generator{Count: b.N, Seed: 1}
	b.ReportAllocs()
	var n counter
	if err := g.Write(b.Context(), &n); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(n)/float64(b.N), "B/resource")
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
