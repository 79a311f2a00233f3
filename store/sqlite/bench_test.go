//go:build unix

package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// cpuTime is what this process has used, all threads and the system's part of it.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// measured runs the loop of a benchmark and reports its CPU time per op.
func measured(b *testing.B, loop func()) {
	b.ReportAllocs()
	b.ResetTimer()
	start := cpuTime()
	loop()
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
}

// record is a document as Portico keeps its records: an Observation of one of
// the patients, its index entries and about 1.5 kB of body.
func record(r *rand.Rand, n, patients int) store.Doc {
	patient := fmt.Sprintf("Patient/%08x-0000-4000-8000-%012x", uint32(n%patients)*2654435761, n%patients)
	code := fmt.Sprintf("http://loinc.org|%d-%d", 1000+r.IntN(200), r.IntN(10))
	category := []string{"laboratory", "vital-signs", "survey"}[r.IntN(3)]
	// Charts grow in the order of time, more or less.
	date := time.UnixMilli(1_500_000_000_000 + int64(n)*60_000 + int64(r.IntN(86_400_000)))
	k := bson.A{
		"t:code|" + code, "t:category|" + category, "t:status|final", "r:patient|" + patient, "r:subject|" + patient,
		"p:" + patient + "|code|" + code, "p:" + patient + "|category|" + category, "p:" + patient + "|status|final",
		"d:date|" + date.UTC().Format(time.RFC3339), "r:encounter|Encounter/" + fmt.Sprintf("%016x", r.Uint64()),
		"q:value|" + fmt.Sprintf("%08.2f", r.Float64()*1000), "m:code", "m:category", "m:patient", "m:date",
	}
	body, err := json.Marshal(map[string]any{
		"resourceType": "Observation", "status": "final", "code": code, "subject": patient, "effectiveDateTime": date,
		"text": strings.Repeat("the quick brown fox "+code+" jumps; ", 30), "value": r.Float64(),
	})
	if err != nil {
		panic(err)
	}
	id := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Int64N(1<<48))
	doc, err := bson.Marshal(bson.D{
		{Key: "_id", Value: id},
		{Key: "v", Value: int32(1)},
		{Key: "ts", Value: date},
		{Key: "dt", Value: date},
		{Key: "k", Value: k},
		{Key: "body", Value: body},
	})
	if err != nil {
		panic(err)
	}
	return doc
}

func recordIndexes(collection string) []store.Index {
	return []store.Index{{
		Collection: collection, Name: "entries",
		Keys: []store.Key{{Path: "k"}, {Path: "dt", Desc: true}, {Path: "_id"}},
	}}
}

// fill makes a store of n records and gives their ids and patients.
func fill(b testing.TB, n, patients int, indexes []store.Index) (*Store, []store.Value, []string) {
	b.Helper()
	dir, err := os.MkdirTemp("/tmp", "portico-bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	s := open(b, dir, Options{})
	if err := s.Ensure(b.Context(), indexes); err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var ids []store.Value
	var names []string
	for len(ids) < n {
		var ops []store.Op
		for range min(500, n-len(ids)) {
			doc := record(r, len(ids), patients)
			ids = append(ids, store.ID(doc))
			if len(names) < patients {
				names = append(names, strings.TrimPrefix(doc.Lookup("k", "3").StringValue(), "r:patient|"))
			}
			ops = append(ops, store.Op{Kind: store.Insert, Collection: "Observation", Doc: doc})
		}
		if err := s.Apply(b.Context(), ops); err != nil {
			b.Fatal(err)
		}
	}
	time.Sleep(2 * idleTime) // for the log to be copied into the file
	return s, ids, names
}

func BenchmarkRead(b *testing.B) {
	s, ids, _ := fill(b, 20_000, 200, recordIndexes("Observation"))
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	measured(b, func() {
		for i := range b.N {
			q := store.Query{Collection: "Observation", Where: store.Eq{Path: "_id", Value: ids[i*7919%len(ids)]}, Limit: 1}
			for doc, err := range s.Find(ctx, q) {
				if err != nil || len(doc) < 1000 {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		s, _, names := fill(b, n, n/100, recordIndexes("Observation"))
		order := []store.Key{{Path: "dt", Desc: true}, {Path: "_id"}}
		run := func(name string, limit, least int, where func(i int) store.Filter) {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				measured(b, func() {
					for i := range b.N {
						got := 0
						q := store.Query{Collection: "Observation", Where: where(i), Order: order, Limit: limit}
						for _, err := range s.Find(b.Context(), q) {
							if err != nil {
								b.Fatal(err)
							}
							got++
						}
						if got < least {
							b.Fatalf("%d documents", got)
						}
					}
				})
			})
		}
		eq := func(v string) store.Filter { return store.Eq{Path: "k", Value: store.String(v)} }
		run("patient, 20", 20, 20, func(i int) store.Filter { return eq("r:patient|" + names[i%len(names)]) })
		run("patient and category, 10", 10, 10, func(i int) store.Filter {
			return eq("p:" + names[i%len(names)] + "|category|laboratory")
		})
		run("category, 10", 10, 10, func(int) store.Filter { return eq("t:category|laboratory") })
		run("patient and category by intersection, 10", 10, 10, func(i int) store.Filter {
			return store.And{eq("t:category|laboratory"), eq("r:patient|" + names[i%len(names)])}
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	light := []store.Index{{Collection: "Observation", Name: "ts", Keys: []store.Key{{Path: "ts"}, {Path: "_id"}}}}
	for name, indexes := range map[string][]store.Index{"15 entries": recordIndexes("Observation"), "1 entry": light} {
		benchmarkCreate(b, name, indexes)
	}
}

func benchmarkCreate(b *testing.B, name string, indexes []store.Index) {
	for _, clients := range []int{1, 32} {
		b.Run(fmt.Sprintf("%s/clients=%d", name, clients), func(b *testing.B) {
			s, _, _ := fill(b, 20_000, 200, indexes)
			r := rand.New(rand.NewPCG(3, 4))
			docs := make([]store.Doc, b.N)
			for i := range docs {
				docs[i] = record(r, 20_000+i, 200)
			}
			commits, applied := s.writer.commits.Load(), s.writer.applied.Load()
			measured(b, func() {
				var next atomic.Int64
				var wg sync.WaitGroup
				for range clients {
					wg.Go(func() {
						for {
							i := int(next.Add(1)) - 1
							if i >= len(docs) {
								return
							}
							err := s.Apply(b.Context(), []store.Op{{Kind: store.Insert, Collection: "Observation", Doc: docs[i]}})
							if err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
			b.ReportMetric(float64(s.writer.applied.Load()-applied)/float64(s.writer.commits.Load()-commits), "applies/fsync")
		})
	}
}
