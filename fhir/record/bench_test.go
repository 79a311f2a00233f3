package record_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// sized is a resource of about size bytes.
func sized(size int) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Basic","code":{"text":%q}}`, strings.Repeat("x", size))
}

func BenchmarkRead(b *testing.B) {
	for name, open := range backends.All() {
		b.Run(name, func(b *testing.B) {
			r := repository(b, open)
			commit(b, r, fhir.Change{Method: fhir.Put, Key: basic("a"), Body: sized(1500)})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Read(b.Context(), basic("a")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	for name, open := range backends.All() {
		for _, writers := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/writers=%d", name, writers), func(b *testing.B) {
				r := repository(b, open)
				r.Now = nil
				body := sized(1500)
				b.ReportAllocs()
				b.SetParallelism(writers) // times GOMAXPROCS
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := r.Commit(b.Context(), []fhir.Change{{Method: fhir.Create, Key: basic(""), Body: body}}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for name, open := range backends.All() {
		if name == "memory" {
			continue // it looks at every document
		}
		b.Run(name, func(b *testing.B) {
			r := repository(b, open)
			benchmarkLoad(b, r)
		})
	}
}

// benchmarkLoad commits 100 resources at a time under ids of the client's.
func benchmarkLoad(b *testing.B, r *record.Repository) {
	body := sized(2500)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		changes := make([]fhir.Change, 100)
		for i := range changes {
			n++
			changes[i] = fhir.Change{Method: fhir.Put, Key: basic(fmt.Sprintf("id-%07d", n*7919%10_000_000)), Body: body}
		}
		commit(b, r, changes...)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/resource")
}
