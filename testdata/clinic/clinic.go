package clinic

import (
	"bufio"
	"bytes"
	"embed"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

//go:generate go run ./gen -out collections

// Database is the name of the clinic's database in chart.yaml.
const Database = "clinic"

// Today is the moment that the data take for the present: nothing was
// recorded after it, and the open slots and booked appointments follow it.
func Today() time.Time { return time.Date(2026, time.June, 1, 6, 0, 0, 0, time.UTC) }

//go:embed collections/*.jsonl
var files embed.FS

//go:embed backend/jwks.json
var backendKeys []byte

// BackendKeys are the public keys of the demo backend, a JWKS. The private one is beside
// it, in backend/private.jwk.json.
func BackendKeys() []byte { return bytes.Clone(backendKeys) }

//go:embed chart.yaml
var chart []byte

// ChartMap returns chart.yaml, the chart map of the clinic. The slice is the
// caller's.
func ChartMap() []byte { return bytes.Clone(chart) }

// Document is one document of one of the clinic's collections.
type Document struct {
	Collection string   // without the database: "patients"
	Body       bson.Raw // the caller's
}

// Documents yields all documents, collection by collection in alphabetical
// order, each in the order in which the clinic stored them. An error, after
// which the sequence ends, means that the embedded files are damaged.
func Documents() iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for _, name := range Collections() {
			data, err := files.ReadFile("collections/" + name + ".jsonl")
			if err != nil {
				yield(Document{}, fmt.Errorf("clinic: %w", err))
				return
			}
			for doc, err := range lines(name, data) {
				if !yield(doc, err) || err != nil {
					return
				}
			}
		}
	}
}

func lines(name string, data []byte) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		scan := bufio.NewScanner(bytes.NewReader(data))
		for n := 1; scan.Scan(); n++ {
			var body bson.Raw
			if err := bson.UnmarshalExtJSON(scan.Bytes(), false, &body); err != nil {
				yield(Document{}, fmt.Errorf("clinic: %s.jsonl:%d: %w", name, n, err))
				return
			}
			if !yield(Document{name, body}, nil) {
				return
			}
		}
		if err := scan.Err(); err != nil {
			yield(Document{}, fmt.Errorf("clinic: %s.jsonl: %w", name, err))
		}
	}
}

// Collections returns the names of the collections in alphabetical order,
// those included that the chart map does not mention.
func Collections() []string {
	entries, err := files.ReadDir("collections")
	if err != nil {
		return nil // the directory is embedded: there is nothing that can fail
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(path.Base(e.Name()), ".jsonl"))
	}
	slices.Sort(names)
	return names
}
