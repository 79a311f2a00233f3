package rest

import (
	"strconv"
	"testing"

	"github.com/portico-fhir/portico/store/sqlite"
)

// BenchmarkCreate tells what an Idempotency-Key and a Provenance cost beside a durable create.
func BenchmarkCreate(b *testing.B) {
	for name, headers := range map[string]func(i int) []string{
		"plain":      func(int) []string { return nil },
		"key":        func(i int) []string { return []string{"Idempotency-Key", strconv.Itoa(i)} },
		"provenance": func(int) []string { return []string{"X-Provenance", origin} },
	} {
		b.Run(name, func(b *testing.B) {
			st, err := sqlite.Open(b.TempDir(), sqlite.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = st.Close() }()
			e := node(b, st, nil)
			n := 0
			for b.Loop() {
				n++
				if r := e.do(b, "POST", "/fhir/Patient", patient, headers(n)...); r.Code != 201 {
					b.Fatal(r.Code, r.Body)
				}
			}
		})
	}
}
