package schema

import (
	"bytes"
	"os"
	"strconv"
	"testing"
)

func observation(b testing.TB) []byte {
	b.Helper()
	body, err := os.ReadFile("testdata/observation.json")
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// BenchmarkObservation has a budget: ≤ 15 µs and ≤ 60 allocations.
func BenchmarkObservation(b *testing.B) {
	benchmark(b, observation(b))
}

// BenchmarkObservationTypeLast has resourceType at its end.
func BenchmarkObservationTypeLast(b *testing.B) {
	first := []byte("\n  \"resourceType\": \"Observation\",")
	body := bytes.Replace(observation(b), first, nil, 1)
	body = append(bytes.TrimRight(body, "}\n "), `, "resourceType": "Observation"}`...)
	benchmark(b, body)
}

// BenchmarkBundle is a transaction of 1,000 Observations.
func BenchmarkBundle(b *testing.B) {
	var bundle bytes.Buffer
	bundle.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for i := range 1000 {
		if i > 0 {
			bundle.WriteByte(',')
		}
		bundle.WriteString(`{"fullUrl":"http://example.org/Observation/` + strconv.Itoa(i) + `","resource":`)
		bundle.Write(observation(b))
		bundle.WriteString(`,"request":{"method":"POST","url":"Observation"}}`)
	}
	bundle.WriteString(`]}`)
	benchmark(b, bundle.Bytes())
}

func benchmark(b *testing.B, body []byte) {
	v := &Validator{Base: testBase}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Validate(body, ""); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAnObservationTakesFewAllocations is the asserted half of the budget.
func TestAnObservationTakesFewAllocations(t *testing.T) {
	body := observation(t)
	v := &Validator{Base: testBase}
	n := testing.AllocsPerRun(100, func() {
		if _, err := v.Validate(body, "Observation"); err != nil {
			t.Fatal(err)
		}
	})
	if n > 60 {
		t.Errorf("%v allocations; the budget is 60", n)
	}
}
