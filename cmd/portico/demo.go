package main

import (
	"context"
	"fmt"
	"io"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// fillDemo writes the demo clinic's collections into a database, unless one of
// them holds something already: then it is there, or it is not ours.
func fillDemo(ctx context.Context, st store.Store, database string) error {
	for _, name := range clinic.Collections() {
		n, err := st.Count(ctx, store.Query{Collection: database + "." + name, Limit: 1})
		if err != nil {
			return fmt.Errorf("look for the demo clinic: %w", err)
		}
		if n > 0 {
			return nil
		}
	}
	var ops []store.Op
	for doc, err := range clinic.Documents() {
		if err != nil {
			return err
		}
		ops = append(ops, store.Op{Kind: store.Insert, Collection: database + "." + doc.Collection, Doc: doc.Body})
	}
	if err := st.Ensure(ctx, demoIndexes(database)); err != nil {
		return fmt.Errorf("index the demo clinic: %w", err)
	}
	if err := st.Apply(ctx, ops); err != nil { // all or nothing: a start that is broken off leaves no half clinic
		return fmt.Errorf("fill the demo clinic: %w", err)
	}
	return nil
}

// demoIndexes are those that the clinic's own software would have made for its
// screens. Portico itself makes none in an EHR.
func demoIndexes(database string) []store.Index {
	var all []store.Index
	for _, ix := range []struct {
		collection, name string
		keys             []store.Key
	}{
		{"patients", "mrn", []store.Key{{Path: "mrn"}}},
		{"patients", "nin", []store.Key{{Path: "nin"}}},
		{"patients", "name", []store.Key{{Path: "name.last"}}},
		{"relatives", "patient", []store.Key{{Path: "pid"}}},
		{"vitals_labs", "patient", []store.Key{{Path: "pid"}, {Path: "kind"}}},
		{"vitals_labs", "chart", []store.Key{{Path: "pid"}, {Path: "kind"}, {Path: "at", Desc: true}}},
		{"vitals_labs", "trend", []store.Key{{Path: "pid"}, {Path: "test"}, {Path: "at", Desc: true}}},
		{"prescriptions", "patient", []store.Key{{Path: "pid"}}},
		{"prescriptions", "chart", []store.Key{{Path: "pid"}, {Path: "at", Desc: true}}},
		{"appointments", "patient", []store.Key{{Path: "pid"}}},
		{"appointments", "chart", []store.Key{{Path: "pid"}, {Path: "start", Desc: true}}},
		{"appointments", "diary", []store.Key{{Path: "prov"}, {Path: "start"}}},
		{"slots", "diary", []store.Key{{Path: "prov"}, {Path: "start"}}},
		{"messages", "chart", []store.Key{{Path: "pid"}, {Path: "sent", Desc: true}}},
	} {
		all = append(all, store.Index{Collection: database + "." + ix.collection, Name: ix.name, Keys: ix.keys})
	}
	return all
}

// banner tells a person at a terminal what runs.
func banner(w io.Writer, c Config) error {
	if !c.open() {
		return nil
	}
	base := c.BaseURL + "/fhir"
	text := "WARNING: authorization is off. Everybody on this machine may read and change everything.\n"
	if c.Demo {
		text += "\nPortico serves a demo clinic, kept in its own collections in " + c.Store.URI.String() + ",\n" +
			"as FHIR R4 at " + base + "\n\n" +
			"  curl '" + base + "/Patient?_count=2&_pretty=true'\n" +
			"  curl '" + base + "/Observation?patient=amy-shaw&_sort=-date&_count=3&_pretty=true'\n" +
			"  curl '" + base + "/metadata?_pretty=true'\n"
	} else {
		text += "FHIR R4 at " + base + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
