package invariant_test

import (
	"bytes"
	"testing"

	"github.com/portico-fhir/portico/bench/records"
	"github.com/portico-fhir/portico/fhir/invariant"
)

func BenchmarkCheckRecords(b *testing.B) {
	var out bytes.Buffer
	g := records.Generator{Count: 2000, Seed: 1}
	if err := g.Write(b.Context(), &out); err != nil {
		b.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if issues, err := invariant.Check(lines[i%len(lines)], false); err != nil || len(issues) > 0 {
			b.Fatal(issues, err)
		}
	}
}
