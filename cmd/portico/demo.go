package main

import (
	"context"
	"fmt"
	"io"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// fillDemo writes the demo clinic's collections, unless one of them holds
// something already: then it is there, or it is not ours.
func fillDemo(ctx context.Context, st store.Store) error {
	for _, name := range clinic.Collections() {
		n, err := st.Count(ctx, store.Query{Collection: clinic.Database + "." + name, Limit: 1})
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
		ops = append(ops, store.Op{Kind: store.Insert, Collection: clinic.Database + "." + doc.Collection, Doc: doc.Body})
	}
	if err := st.Apply(ctx, ops); err != nil { // all or nothing: a start that is broken off leaves no half clinic
		return fmt.Errorf("fill the demo clinic: %w", err)
	}
	return nil
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
