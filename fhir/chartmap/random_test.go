package chartmap_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
)

// every is the chart map that uses the whole vocabulary.
func every(t testing.TB) *chartmap.Map {
	t.Helper()
	data, err := os.ReadFile("testdata/every/chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := chartmap.Load(data, "testdata/every/chart.yaml")
	if err != nil {
		t.Fatalf("\n%v", err)
	}
	return m
}

// praxisSamples are the documents of the second example.
func praxisSamples(t testing.TB) map[string][]bson.D {
	t.Helper()
	files, err := filepath.Glob("../../examples/praxis/collections/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no collections: %v", err)
	}
	out := map[string][]bson.D{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			var d bson.D
			if err := bson.UnmarshalExtJSON(line, false, &d); err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
			out[name] = append(out[name], d)
		}
	}
	return out
}

// samples are well-formed documents for it, by collection.
func samples(t testing.TB) map[string][]bson.D {
	t.Helper()
	data, err := os.ReadFile("testdata/every/documents.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]bson.D{}
	for line := range bytes.Lines(data) {
		var d bson.D
		if err := bson.UnmarshalExtJSON(line, false, &d); err != nil {
			t.Fatal(err)
		}
		name := d[0].Value.(string)
		out[name] = append(out[name], d[1:])
	}
	return out
}

// seedOf gives the seed of random documents: the one that the environment names, as a failing test
// says (with the -rapid.failfile that it says, too, the same happens again), else one that is always the
// same for a test where RAPID_SEED is set, as make does for rapid, too, else any.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if from := os.Getenv("RAPID_SEED"); from != "" && from != "0" {
		h := fnv.New64a()
		_, _ = io.WriteString(h, from+t.Name()) // to memory
		seed = h.Sum64()
	}
	if text := os.Getenv("PORTICO_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("PORTICO_TEST_SEED: %v", err)
		}
	}
	t.Logf("PORTICO_TEST_SEED=%d", seed)
	return seed
}

// junk draws a value that a field may turn out to have.
func junk(r *rand.Rand, old any) any {
	at := time.Date(2026, 3, 1+r.IntN(28), 22, r.IntN(60), 0, r.IntN(2)*1e6, time.UTC)
	all := []any{
		nil, "", " ", "x y", "F", "2026-03-0x", "2026-03", "1900", "M\x01", "été", int32(5), int64(-1), 2.5, math.NaN(), math.Inf(1), true, false, at,
		bson.ObjectID{1, 2, 3},
		bson.D{},
		bson.D{{Key: "x", Value: 1}},
		bson.A{},
		bson.A{old},
		bson.A{nil, "x"},
		bson.A{bson.D{}},
		bson.A{bson.A{old}},
		bson.NewDecimal128(0x3040000000000000, 5),
		bson.Binary{Subtype: 4, Data: make([]byte, 16)},
		"-b", "0", "p1-a",
	}
	return all[r.IntN(len(all))]
}

// spoil changes some fields of a document, at any depth.
func spoil(r *rand.Rand, d bson.D, odds int) bson.D {
	var out bson.D
	for _, e := range d {
		switch {
		case e.Key == "_id":
			continue
		case r.IntN(odds) == 0:
			continue
		case r.IntN(odds) == 0:
			e.Value = junk(r, e.Value)
		default:
			e.Value = spoilIn(r, e.Value, odds)
		}
		out = append(out, e)
	}
	return out
}

func spoilIn(r *rand.Rand, v any, odds int) any {
	switch v := v.(type) {
	case bson.D:
		return spoil(r, v, odds)
	case bson.A:
		out := bson.A{}
		for _, e := range v {
			if r.IntN(odds) == 0 {
				e = junk(r, e)
			}
			out = append(out, spoilIn(r, e, odds))
		}
		return out
	}
	return v
}

// randomOps makes n documents of each collection out of samples.
func randomOps(t testing.TB, r *rand.Rand, samples map[string][]bson.D, n int) []store.Op {
	t.Helper()
	var ops []store.Op
	for _, name := range []string{"people", "measured", "drugs", "patients", "relatives", "staff", "locations", "slots", "vitals_labs", "prescriptions", "appointments", "messages", "aerzte", "diagnosen", "laborwerte", "messungen", "patienten", "rezepte", "termine"} {
		from := samples[name]
		if len(from) == 0 {
			continue
		}
		for i := range n {
			d := spoil(r, from[r.IntN(len(from))], 8)
			var id any
			switch r.IntN(4) {
			case 0:
				id = bson.ObjectID{1, byte(i)}
			case 1:
				id = int32(i)
			case 2:
				id = fmt.Sprintf("%02d x/-a", i)
			default:
				id = fmt.Sprintf("p%d-a", i)
			}
			d = append(bson.D{{Key: "_id", Value: id}}, d...)
			for j := range d {
				if d[j].Key == "key" && r.IntN(5) > 0 { // the id of people: unique, or nothing that can be one
					d[j].Value = []any{id, int64(-1 - i), fmt.Sprint(i), bson.DateTime(i)}[r.IntN(4)]
				} else if d[j].Key == "key" {
					d[j].Value = []any{nil, "", math.NaN(), bson.A{id}, bson.D{}}[r.IntN(5)]
				}
			}
			raw, err := bson.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, store.Op{Kind: store.Insert, Collection: name, Doc: raw})
		}
	}
	return ops
}

// clinicSamples are the demo clinic's documents.
func clinicSamples(t testing.TB) map[string][]bson.D {
	t.Helper()
	out := map[string][]bson.D{}
	for _, op := range clinicOps(t) {
		var d bson.D
		if err := bson.Unmarshal(op.Doc, &d); err != nil {
			t.Fatal(err)
		}
		out[op.Collection] = append(out[op.Collection], d)
	}
	return out
}

// TestPushedDownSearchIsBruteForceOnSpoiltDocuments holds the law on documents
// as no application would write them.
func TestPushedDownSearchIsBruteForceOnSpoiltDocuments(t *testing.T) {
	t.Parallel()
	rounds := map[string]int{"memory": 4, "sqlite": 2, "mongo": 1}
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := seedOf(t)
			r := rand.New(rand.NewPCG(seed, 0))
			for range rounds[name] {
				if name != "mongo" || mongotest.Real() { // the test server has no $and and $or in $elemMatch
					lawOn(t, repositoryWith(t, open, every(t), randomOps(t, r, samples(t), 30)))
				}
				lawOn(t, repositoryOn(t, open, randomOps(t, r, clinicSamples(t), 25)))
			}
		})
	}
}

// lawOn compares random searches with the oracle, and validates what is served.
func lawOn(t *testing.T, r *chartmap.Repository) {
	t.Helper()
	v := &schema.Validator{}
	for _, typ := range r.Map.Types() {
		all := everything(t.Context(), t, r, fhir.Query{Type: typ, Count: 10_000})
		for _, res := range all {
			if _, err := v.Validate(res.Body, typ); err != nil {
				t.Errorf("%s: %v\n%s", res.Key, err, res.Body)
			}
			if got, err := r.Read(t.Context(), res.Key); err != nil || string(got.Body) != string(res.Body) {
				t.Errorf("reading %s: %v\n got %s\nwant %s", res.Key, err, got.Body, res.Body)
			}
		}
		o := newOracle(t, r, all)
		rapid.Check(t, func(rt *rapid.T) { o.compare(rt, r, typ, []int{3, 7, 1000}) })
	}
}
