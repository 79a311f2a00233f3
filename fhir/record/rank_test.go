package record

import (
	"bytes"
	"testing"
	"time"
)

func TestRanksOrderAsDatesDoAndIDs(t *testing.T) {
	t.Parallel()
	at := func(text string) *time.Time {
		d, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return &d
	}
	list := [][]byte{
		rank(nil, "b"), rank(nil, "a1"), rank(nil, "a-9999"), rank(nil, "a"), rank(nil, "-"),
		rank(at("0001-01-01T00:00:00Z"), "z"),
		rank(at("1969-12-31T23:59:59.999Z"), "a"),
		rank(at("1970-01-01T00:00:00Z"), "z"),
		rank(at("2024-02-29T12:00:00Z"), "a"),
		rank(at("2024-02-29T12:00:00.001Z"), "0"),
		rank(at("9999-12-31T23:59:59.999Z"), "a"),
	}
	for i := 1; i < len(list); i++ {
		if bytes.Compare(list[i-1], list[i]) >= 0 {
			t.Errorf("%x is not before %x", list[i-1], list[i])
		}
	}
	same := at("2024-02-29T12:00:00Z")
	if bytes.Equal(rank(same, "a"), rank(same, "b")) || bytes.Equal(rank(nil, "patient-000001"), rank(nil, "patient-000002")) {
		t.Error("documents with the same date or the beginning of an id have the same rank")
	}
}
