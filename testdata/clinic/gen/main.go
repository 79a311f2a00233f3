// Command gen writes the collections of the demo clinic, one file of MongoDB
// extended JSON per collection, as mongoexport does: go generate ./testdata/clinic.
//
// The data are invented and always the same: every document follows from the
// tables in this package, the seed and the date that the clinic takes for
// today. Nobody in them exists.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func main() {
	out := flag.String("out", "collections", "directory to write to")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(out, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate makes all files, by name.
func generate() (map[string][]byte, error) {
	w := newWorld()
	w.locations()
	w.staff()
	w.patients()
	w.about("relatives")
	w.relatives()
	w.about("slots")
	w.slots()
	for _, p := range w.people {
		w.about(p.key)
		w.appointments(p)
		w.vitals(p)
		w.labs(p)
		w.prescriptions(p)
		w.messages(p)
	}
	w.about("rest")
	w.closeDiaries()
	w.drafts()
	w.housekeeping()
	w.malformed()

	files := map[string][]byte{}
	for _, c := range w.collections() {
		var b bytes.Buffer
		for _, doc := range c.docs {
			line, err := bson.MarshalExtJSON(doc.body, false, false)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			b.Write(line)
			b.WriteByte('\n')
		}
		files[c.name+".jsonl"] = b.Bytes()
	}
	return files, nil
}
