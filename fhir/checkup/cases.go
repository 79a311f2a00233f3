package checkup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

// Case is an example that somebody who knows the EHR wrote down: documents, the resources that
// they are, and what a request changes in them.
type Case struct {
	Name  string                      `yaml:"name"`
	Given map[string][]map[string]any `yaml:"given"` // documents by collection, as extended JSON
	// Expect are resources by their keys (Patient/1), meta aside; null for one that is not
	// served.
	Expect  map[string]map[string]any `yaml:"expect"`
	Request *Request                  `yaml:"request"`
	// Set and Unset are what the request changes in documents, by collection/id; version and
	// time of the change need not be told.
	Set   map[string]map[string]any `yaml:"set"`
	Unset map[string][]string       `yaml:"unset"`
	// Refused is the code of the issue that the request is refused with.
	Refused string `yaml:"refused"`
}

// Request is a write.
type Request struct {
	Put    string         `yaml:"put"`    // Patient/1
	Create string         `yaml:"create"` // Patient
	Delete string         `yaml:"delete"` // Patient/1
	Body   map[string]any `yaml:"body"`
}

// ReadCases reads a YAML list of cases. Unknown keys are errors.
func ReadCases(data []byte) ([]Case, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	var all []Case
	if err := d.Decode(&all); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cases: %w", err)
	}
	if len(all) == 0 {
		return nil, errors.New("cases: there are none")
	}
	return all, nil
}

// Run carries out a case on a store of its own and says how what comes of it differs; nil
// when it does not. Base is the FHIR base URL.
func (c *Case) Run(ctx context.Context, m *chartmap.Map, base string) ([]string, error) {
	st := memory.New()
	defer func() { _ = st.Close() }() // nothing can fail
	database, _, _ := strings.Cut(m.Maps[0].Collection, ".")
	for _, name := range slices.Sorted(maps.Keys(c.Given)) {
		for _, d := range c.Given[name] {
			doc, err := document(d)
			if err != nil {
				return nil, fmt.Errorf("%s: a document of %s: %w", c.Name, name, err)
			}
			if err := st.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: database + "." + name, Doc: doc}}); err != nil {
				return nil, fmt.Errorf("%s: a document of %s: %w", c.Name, name, err)
			}
		}
	}
	repo := &chartmap.Repository{Store: st, Map: m, Base: base}
	diffs, err := c.reads(ctx, repo)
	if err != nil || c.Request == nil {
		return diffs, err
	}
	more, err := c.writes(ctx, repo, database)
	return append(diffs, more...), err
}

// document turns a YAML document into BSON by way of extended JSON.
func document(d map[string]any) (doc store.Doc, err error) {
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return doc, bson.UnmarshalExtJSON(text, false, &doc)
}

func (c *Case) reads(ctx context.Context, repo *chartmap.Repository) (diffs []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(c.Expect)) {
		typ, id, ok := strings.Cut(name, "/")
		if !ok || !fhir.Type(typ).Valid() {
			return nil, fmt.Errorf("%s: expect: %q is not as Patient/1", c.Name, name)
		}
		res, err := repo.Read(ctx, fhir.Key{Type: fhir.Type(typ), ID: id})
		var refusal *fhir.Error
		switch want := c.Expect[name]; {
		case errors.As(err, &refusal) && want == nil:
		case errors.As(err, &refusal):
			diffs = append(diffs, name+" is not served")
		case err != nil:
			return nil, err
		case want == nil:
			diffs = append(diffs, name+" is served")
		default:
			found, err := differences(name, want, res.Body)
			if err != nil {
				return nil, err
			}
			diffs = append(diffs, found...)
		}
	}
	return diffs, nil
}

// differences compares a resource with what is wanted, meta aside.
func differences(name string, want map[string]any, body []byte) ([]string, error) {
	text, err := json.Marshal(want)
	if err != nil {
		return nil, err
	}
	var a, b map[string]any
	if err := errors.Join(unmarshal(text, &a), unmarshal(body, &b)); err != nil {
		return nil, err
	}
	for _, m := range []map[string]any{a, b} {
		delete(m, "meta")
		delete(m, "resourceType")
		delete(m, "id")
	}
	var diffs []string
	for _, element := range slices.Sorted(maps.Keys(union(a, b))) {
		if !reflect.DeepEqual(a[element], b[element]) {
			diffs = append(diffs, fmt.Sprintf("%s.%s is %s, want %s", name, element, short(b[element]), short(a[element])))
		}
	}
	return diffs, nil
}

// unmarshal keeps decimals as they are written.
func unmarshal(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// short is a value for people; nothing for one that is missing.
func short(v any) string {
	if v == nil {
		return "not there"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// change is the request as a repository takes it.
func (r *Request) change() (fhir.Change, error) {
	c := fhir.Change{}
	name := ""
	for _, m := range []struct {
		name   string
		method fhir.Method
	}{{r.Put, fhir.Put}, {r.Create, fhir.Create}, {r.Delete, fhir.Delete}} {
		if m.name != "" && name != "" {
			return c, errors.New("the request is more than one of put, create and delete")
		}
		if m.name != "" {
			name, c.Method = m.name, m.method
		}
	}
	typ, id, _ := strings.Cut(name, "/")
	c.Key = fhir.Key{Type: fhir.Type(typ), ID: id}
	if r.Body == nil {
		return c, nil
	}
	body := union(r.Body, map[string]any{"resourceType": typ})
	if id != "" {
		body["id"] = id
	}
	var err error
	c.Body, err = json.Marshal(body)
	return c, err
}

func (c *Case) writes(ctx context.Context, repo *chartmap.Repository, database string) ([]string, error) {
	change, err := c.Request.change()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	effects, _, err := Explain(ctx, repo, []fhir.Change{change})
	var refusal *fhir.Error
	switch {
	case errors.As(err, &refusal) && c.Refused == string(refusal.Code()):
		return nil, nil
	case errors.As(err, &refusal):
		return []string{fmt.Sprintf("the request is refused (%s): %s", refusal.Code(), refusal.Error())}, nil
	case err != nil:
		return nil, err
	case c.Refused != "":
		return []string{"the request is not refused"}, nil
	}
	got, want := make(map[string]bool), make(map[string]bool)
	for _, e := range effects {
		where := strings.TrimPrefix(e.Collection, database+".") + "/" + strings.Trim(e.ID, `"`)
		for _, set := range e.Set {
			path, _, _ := strings.Cut(set, " = ")
			if _, told := c.Set[where][path]; told || !bookkeeping(repo.Map, e.Collection, path) {
				got[where+": "+set] = true
			}
		}
		for _, path := range e.Unset {
			got[where+": unset "+path] = true
		}
	}
	for where, sets := range c.Set {
		doc, err := document(sets)
		if err != nil {
			return nil, fmt.Errorf("%s: set: %w", c.Name, err)
		}
		for path := range sets {
			value, err := extended(doc.Lookup(path))
			if err != nil {
				return nil, err
			}
			want[where+": "+path+" = "+value] = true
		}
	}
	for where, paths := range c.Unset {
		for _, path := range paths {
			want[where+": unset "+path] = true
		}
	}
	return unlike(want, got), nil
}

// bookkeeping reports whether a path is one by which the EHR counts and dates changes, of
// a document or of an element at some position.
func bookkeeping(m *chartmap.Map, collection, path string) bool {
	path = position.ReplaceAllString(path, ".")
	return slices.ContainsFunc(m.Maps, func(mp *chartmap.Mapping) bool {
		_, version, updated := mp.Bookkeeping()
		return mp.Collection == collection && (path == version || path == updated)
	})
}

var position = regexp.MustCompile(`\.[0-9]+\.`)

// unlike lists what is only wanted, and what is only there.
func unlike(want, got map[string]bool) (diffs []string) {
	for _, line := range slices.Sorted(maps.Keys(want)) {
		if !got[line] {
			diffs = append(diffs, "it does not write "+line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(got)) {
		if !want[line] {
			diffs = append(diffs, "it writes "+line)
		}
	}
	return diffs
}
