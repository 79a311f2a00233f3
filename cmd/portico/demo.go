package main

import (
	"context"
	"fmt"
	"io"
	"strings"

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
	base := c.BaseURL + "/fhir"
	var text strings.Builder
	if c.open() {
		text.WriteString("WARNING: authorization is off. Everybody on this machine may read and change everything.\n\n")
	}
	switch {
	case c.Demo:
		fmt.Fprintf(&text, "Portico serves a demo clinic, kept in its own collections in %s,\nas FHIR R4 at %s\n\n", c.Store.URI, base)
		fmt.Fprintf(&text, "  curl '%s/metadata?_pretty=true'\n", base)
	default:
		fmt.Fprintf(&text, "FHIR R4 at %s\n", base)
	}
	switch {
	case c.Demo && c.open():
		fmt.Fprintf(&text, "  curl '%s/Patient?_count=2&_pretty=true'\n", base)
		fmt.Fprintf(&text, "  curl '%s/Observation?patient=amy-shaw&_sort=-date&_count=3&_pretty=true'\n", base)
	case c.Demo:
		demoBanner(&text, c)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// demoBanner lists who can sign in, and with what.
func demoBanner(w io.Writer, c Config) {
	fmt.Fprintf(w, "\nTry signing in with a browser: %s/demo\n\nAccounts, all with the password %s:\n", c.BaseURL, demoPassword)
	for _, d := range demoAccounts() {
		fmt.Fprintf(w, "  %-10s  %s\n", d.Login, d.about)
	}
	fmt.Fprintf(w, "\nApps: demo-public (PKCE), demo-confidential (secret %s), both with the redirect %s/demo/callback;\ndemo-backend (private_key_jwt, its key is testdata/clinic/backend/private.jwk.json). For curl:\n\n", demoSecret, c.BaseURL)
	fmt.Fprintf(w, "  curl -s -u demo-script:%s -d grant_type=client_credentials -d 'scope=system/*.rs' %s/auth/token\n", demoSecret, c.BaseURL)
}
