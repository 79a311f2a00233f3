package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"pgregory.net/rapid"
)

func TestTheDictionaryIsWhatStoredBodiesReferTo(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256(dictionary1)
	if got := hex.EncodeToString(sum[:]); got != "e5842c425ba768a60186af1063e7a37d8acbaea7f6cddb4c033d2016a07b3468" {
		t.Errorf("dictionary 1 has changed (%s): bodies that were stored with it cannot be read any more", got)
	}
}

func TestBodiesAreUnpackedAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom(strings.Split(string(dictionary1), "\n"))), 0, 20).Draw(t, "parts")
		body := []byte(strings.Join(parts, ","))
		got, ok := new(packer).pack(body).unpack()
		if !ok || !bytes.Equal(got, body) {
			t.Fatalf("%q comes back as %q (%v)", body, got, ok)
		}
	})
}

func TestBodiesThatWerePackedWithoutADictionaryCanBeRead(t *testing.T) {
	t.Parallel()
	body := []byte(strings.Repeat("resource ", 100))
	got, ok := packed{subtypeS2, s2.Encode(nil, body)}.unpack()
	if !ok || !bytes.Equal(got, body) {
		t.Errorf("%q (%v)", got, ok)
	}
}

func TestDamagedBodiesAreRefused(t *testing.T) {
	t.Parallel()
	whole := new(packer).pack([]byte(strings.Repeat(string(dictionary1[:500]), 4)))
	if whole.subtype != subtypeDict1 {
		t.Fatalf("subtype %x", whole.subtype)
	}
	for _, p := range []packed{
		{subtypeDict1, whole.data[:len(whole.data)-1]},
		{subtypeDict1, nil},
		{subtypeDict1, bytes.Repeat([]byte{0xff}, 10)},
		{subtypeS2, []byte{0xff, 0xff, 0xff, 0xff, 0x7f, 0}},
		{0x99, whole.data},
	} {
		if body, ok := p.unpack(); ok {
			t.Errorf("%x gives %.40q", p.data, body)
		}
	}
}
