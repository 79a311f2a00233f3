package sqlite

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

func TestDocumentsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	list := bson.A{"", "a", "ab", "ab\x00c", "b"}
	for name, doc := range map[string]bson.D{
		"a list":               {{Key: "_id", Value: 1}, {Key: "k", Value: list}, {Key: "z", Value: "end"}},
		"a list at the end":    {{Key: "_id", Value: 1}, {Key: "k", Value: list}},
		"two lists":            {{Key: "_id", Value: 1}, {Key: "k", Value: list}, {Key: "l", Value: list}},
		"a list of other kind": {{Key: "_id", Value: 1}, {Key: "k", Value: bson.A{1, 2, 3, 4, 5}}, {Key: "l", Value: list}},
		"a mixed list":         {{Key: "_id", Value: 1}, {Key: "k", Value: bson.A{"a", "b", "c", "d", 5}}},
		"a short list":         {{Key: "_id", Value: 1}, {Key: "k", Value: bson.A{"a"}}},
		"no list":              {{Key: "_id", Value: 1}},
		"a list deep inside":   {{Key: "_id", Value: 1}, {Key: "d", Value: bson.D{{Key: "k", Value: list}}}},
	} {
		data, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		form, values := encodeDocument(data)
		list := values
		d, err := document(form)
		if err != nil || (d.name != nil) != (list != nil) {
			t.Fatalf("%s: %v", name, err)
		}
		if err := d.rest.Validate(); err != nil {
			t.Errorf("%s: what is left of it: %v", name, err)
		}
		if list == nil {
			if !bytes.Equal(d.rest, data) {
				t.Errorf("%s: %v", name, d.rest)
			}
			continue
		}
		if got := d.with(list); !bytes.Equal(got, data) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Whichever strings have a number when a list is written, and whichever when it is read, it is the same list.
func TestListsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	text := rapid.SampledFrom([]string{"", "a", "abc", "abcd", "abcde", "xyz", "xyzzy", strings.Repeat("long", 40)})
	rapid.Check(t, func(t *rapid.T) {
		names := &numbered{numbers: make(map[string]uint32)}
		name := func() {
			for _, s := range rapid.SliceOfNDistinct(text, 0, 3, rapid.ID).Draw(t, "numbered") {
				if !names.has([]byte(s)) {
					names.add([][]byte{[]byte(s)})
				}
			}
		}
		name()
		var want [][]byte
		for _, s := range rapid.SliceOfN(text, 0, 20).Draw(t, "list") {
			want = append(want, []byte(s))
		}
		data, others := names.encode(want)
		for _, s := range others {
			if names.has(s) || len(s) < minNamed || len(s) > maxNamed {
				t.Fatalf("%q is to get a number", s)
			}
		}
		name()
		var e elements
		if err := e.decode(data, names.all()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, slices.Clone(e.list), cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		for i := range data {
			if err := e.decode(data[:i], names.all()); err == nil {
				t.Fatalf("%d of %d bytes of the list are enough", i, len(data))
			}
		}
	})
}

func TestListsOfFormat2CanBeRead(t *testing.T) {
	t.Parallel()
	var e elements
	if err := e.decode([]byte("\x03\x03\x00a\x03\x00b\x05\x01cd"), nil); err != nil || string(bytes.Join(e.list, []byte(" "))) != "a ab acd" {
		t.Errorf("%q, %v", e.list, err)
	}
}

// Strings that come often get a number, for good.
func TestStringsThatComeOftenAreStoredOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{})
	doc := func(i int) store.Doc {
		return marshal(t, fmt.Sprint(i), "k", []string{fmt.Sprint("only", i), "often met", "one of many", "very common", "word"})
	}
	const many = 3 * often
	for i := range many {
		if err := s.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "A", Doc: doc(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if n := len(s.strings.all()); n != 4 {
			t.Errorf("%d strings have a number", n)
		}
		for i := range many {
			got, err := store.Get(t.Context(), s, "A", fmt.Sprint(i))
			if err != nil || !bytes.Equal(got, doc(i)) {
				t.Fatalf("%d: %v, %v", i, got, err)
			}
		}
		n, err := s.writer.conn.number("SELECT length(list) FROM l1 ORDER BY rid DESC LIMIT 1")
		if err != nil || n > 15 {
			t.Errorf("a list takes %d bytes, %v", n, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, Options{})
	}
}

func FuzzDocument(f *testing.F) {
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: "1"}, {Key: "k", Value: bson.A{"a", "ab", "abc", "b"}}})
	if err != nil {
		f.Fatal(err)
	}
	form, values := encodeDocument(doc)
	names := &numbered{numbers: make(map[string]uint32)}
	list, _ := names.encode(values)
	f.Add(form, list)
	f.Fuzz(func(_ *testing.T, form, list []byte) {
		var e elements
		if d, err := document(form); err == nil && e.decode(list, [][]byte{[]byte("abc")}) == nil {
			d.with(e.list) // without a panic
		}
		if store.Doc(form).Validate() == nil {
			encodeDocument(form)
		}
	})
}
