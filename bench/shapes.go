package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/portico-fhir/portico/bench/records"
)

// shape is a form of request. Its queries are asked in turn.
type shape struct {
	name    string
	queries []string
	budget  budget
}

// samples are what the queries ask for, taken from the server.
type samples struct {
	patients, practitioners, locations, encounters, observations []string
	families, givens, identifiers                                []string
	fullNames                                                    []string // whole queries
}

// measureShapes serves a store of made-up records and measures the forms of search
// that are common.
func measureShapes(ctx context.Context, o options, dir string, rep *report) (err error) {
	data := o.data
	if data == "" {
		data = filepath.Join(dir, "records")
	}
	if err := fill(ctx, o.size, dir, data, rep); err != nil {
		return err
	}
	s, err := launch(ctx, dir, "--store", "sqlite:"+data)
	if err != nil {
		return err
	}
	b := &bench{options: o, client: newClient(s.base+"/fhir", busy), cpu: s.cpu, rep: rep}
	measured, err := b.allShapes(ctx)
	if err := errors.Join(err, s.stop()); err != nil {
		return err
	}
	// A store is for one process at a time.
	return explainRows(ctx, rep.Rows, measured, data)
}

// fill loads made-up records, unless the store is there already.
func fill(ctx context.Context, size int, dir, data string, rep *report) error {
	if there, err := os.ReadDir(data); err == nil && len(there) > 0 {
		return nil
	}
	file := filepath.Join(dir, "records.ndjson")
	if err := writeFile(ctx, &records.Generator{Count: size, Seed: 1}, file); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	loaded, err := loadFile(ctx, file, data, size, info.Size())
	if err != nil {
		return err
	}
	loaded.Name, loaded.What = "load-records", fmt.Sprintf("portico load of %d made-up records, start and end included", size)
	rep.add(loaded)
	return os.Remove(file)
}

// allShapes measures each form, and all searches in turn. It gives those that the server
// answers.
func (b *bench) allShapes(ctx context.Context) ([]shape, error) {
	found, err := b.sample(ctx)
	if err != nil {
		return nil, err
	}
	mixed := shape{name: "mixed", budget: budget{CPU: 500}}
	var measured []shape
	for _, sh := range shapes(found) {
		answered, err := b.shape(ctx, sh)
		if err != nil {
			return nil, err
		}
		if answered && sh.searches() {
			measured = append(measured, sh)
		}
	}
	const each = 4
	for i := range each {
		for _, sh := range measured {
			mixed.queries = append(mixed.queries, sh.queries[i%len(sh.queries)])
		}
	}
	_, err = b.shape(ctx, mixed)
	return measured, err
}

// searches reports whether a form is a search: neither a read nor metadata.
func (sh shape) searches() bool {
	path, query, _ := strings.Cut(sh.queries[0], "?")
	return query != "" || !strings.Contains(path, "/") && path != "metadata"
}

// sample asks for what the queries need.
func (b *bench) sample(ctx context.Context) (*samples, error) {
	s := &samples{}
	for _, l := range []struct {
		query string
		into  *[]string
	}{
		{"Patient?_count=40", &s.patients},
		{"Practitioner?_count=20", &s.practitioners},
		{"Location?_count=20", &s.locations},
		{"Encounter?_count=40", &s.encounters},
		{"Observation?_count=40", &s.observations},
	} {
		ids, err := b.ids(ctx, l.query)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("%s finds nothing", l.query)
		}
		*l.into = ids
	}
	return s, b.names(ctx, s)
}

// names takes the names and identifiers of patients.
func (b *bench) names(ctx context.Context, s *samples) error {
	var buf bytes.Buffer
	if err := b.do(ctx, http.MethodGet, "Patient?_count=40", nil, http.StatusOK, &buf); err != nil {
		return err
	}
	var found struct {
		Entry []struct {
			Resource struct {
				Name []struct {
					Family string
					Given  []string
				}
				Identifier []struct{ System, Value string }
			}
		}
	}
	if err := json.Unmarshal(buf.Bytes(), &found); err != nil {
		return err
	}
	for _, e := range found.Entry {
		for _, n := range e.Resource.Name {
			s.families = append(s.families, n.Family)
			s.givens = append(s.givens, n.Given...)
			short := prefixes(append([]string{n.Family}, n.Given...))
			s.fullNames = append(s.fullNames, "Patient?family="+url.QueryEscape(short[0])+"&given="+url.QueryEscape(short[len(short)-1]))
		}
		for _, i := range e.Resource.Identifier {
			s.identifiers = append(s.identifiers, i.System+"|"+i.Value)
		}
	}
	if len(s.families) == 0 || len(s.givens) == 0 || len(s.identifiers) == 0 {
		return errors.New("patients have no names or identifiers")
	}
	return nil
}

// each puts every value into a query, escaped.
func each(format string, values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprintf(format, url.QueryEscape(v))
	}
	return out
}

// prefixes gives the first three characters of names.
func prefixes(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		r := []rune(n)
		out[i] = string(r[:min(3, len(r))])
	}
	return out
}

func shapes(s *samples) []shape {
	const loinc, snomed = "http://loinc.org|", "http://snomed.info/sct|"
	labs := []string{"2339-0", "38483-4", "2093-3", "718-7", "85354-9", "29463-7", "8867-4", "4548-4"}
	var coded []string
	for _, c := range labs {
		coded = append(coded, loinc+c)
	}
	sorted := make([]string, len(s.patients))
	for i, p := range s.patients {
		sorted[i] = "Observation?patient=" + url.QueryEscape(p) + "&code=" + url.QueryEscape(loinc+"85354-9") + "&_sort=-date&_count=10"
	}
	return []shape{
		{name: "metadata", queries: []string{"metadata"}},
		{name: "read", queries: each("Observation/%s", s.observations), budget: budget{CPU: 35}},
		{name: "observations", queries: []string{"Observation"}},
		{name: "observations-total", queries: []string{"Observation?_total=accurate"}},
		{name: "by-system-code", queries: each("Observation?code=%s", coded)},
		{name: "by-code", queries: each("Observation?code=%s", labs)},
		{name: "by-combo-code", queries: each("Observation?combo-code=%s", append([]string{"8480-6"}, labs...))},
		{name: "by-code-sorted", queries: each("Observation?code=%s&_sort=-date&_count=10", coded)},
		{name: "count-by-code", queries: each("Observation?code=%s&_summary=count", coded), budget: budget{CPU: 1000}},
		{name: "by-code-value", queries: each("Observation?code=%s&value-quantity=gt100", coded[:2])},
		{name: "recent", queries: each("Observation?date=ge%s", []string{"2026-01-01", "2025-10-01", "2026-02-15"})},
		{name: "by-encounter", queries: each("Observation?encounter=%s", s.encounters)},
		{name: "by-patient", queries: each("Observation?patient=%s", s.patients)},
		{name: "by-patient-20", queries: each("Observation?patient=%s&_count=20", s.patients), budget: budget{CPU: 190}},
		{name: "by-patient-category", queries: each("Observation?patient=%s&category=laboratory", s.patients)},
		{name: "by-patient-date", queries: each("Observation?patient=%s&date=ge2020", s.patients)},
		{name: "by-patient-code-sorted", queries: sorted, budget: budget{CPU: 150}},
		{name: "patient-gender", queries: each("Patient?gender=%s", []string{"female", "male"})},
		{name: "patient-family", queries: each("Patient?family=%s", prefixes(s.families))},
		{name: "patient-given", queries: each("Patient?given=%s", prefixes(s.givens))},
		{name: "patient-family-given", queries: s.fullNames},
		{name: "patient-identifier", queries: each("Patient?identifier=%s", s.identifiers)},
		{name: "patient-birthdate", queries: each("Patient?birthdate=ge%s", []string{"1950", "1980-01-01", "2010"})},
		{name: "conditions-by-patient", queries: each("Condition?patient=%s", s.patients)},
		{name: "encounters-by-patient", queries: each("Encounter?patient=%s", s.patients)},
		{name: "prescriptions-by-patient", queries: each("MedicationRequest?patient=%s", s.patients)},
		{name: "reports-by-patient-sorted", queries: each("DiagnosticReport?patient=%s&_sort=-date", s.patients)},
		{name: "conditions-by-code", queries: each("Condition?code=%s", []string{snomed + "59621000", snomed + "195967001"})},
		{name: "procedures-by-code", queries: each("Procedure?code=%s", []string{snomed + "430193006", snomed + "73761001"})},
		{name: "encounters-by-participant", queries: each("Encounter?participant=Practitioner/%s", s.practitioners)},
		{name: "encounters-by-location", queries: each("Encounter?location=Location/%s", s.locations)},
		{name: "patients-sorted", queries: []string{"Patient?_sort=-birthdate", "Patient?_sort=family&gender=female"}},
		{name: "content", queries: each("Observation?_content=%s", []string{"pressure", "glucose"})},
		{name: "narrative", queries: each("Condition?_text=%s", []string{"hypertension", "asthma"})},
		{name: "code-text", queries: each("Condition?code:text=%s", []string{"hyper", "asthma"})},
		{name: "slots-free", queries: []string{"Slot?status=free&start=ge2025"}},
		{name: "observations-by-family", queries: each("Observation?subject:Patient.family=%s", s.families[:3])},
	}
}

// shape measures one form. One that the server refuses is left out with the
// reason.
func (b *bench) shape(ctx context.Context, sh shape) (answered bool, err error) {
	var buf bytes.Buffer
	entries := 0
	for _, q := range sh.queries {
		err := b.do(ctx, http.MethodGet, q, nil, http.StatusOK, &buf)
		if refused, ok := errors.AsType[*statusError](err); ok {
			b.skip(sh.name, sh.queries[0], refused.text)
			return false, nil
		}
		if err != nil {
			return false, err
		}
		entries += bytes.Count(buf.Bytes(), []byte(`"fullUrl"`))
	}
	r, err := drive(ctx, b.options, busy, b.cpu, func(ctx context.Context, i int, buf *bytes.Buffer) error {
		return b.do(ctx, http.MethodGet, sh.queries[i%len(sh.queries)], nil, http.StatusOK, buf)
	})
	if err != nil {
		return false, fmt.Errorf("%s: %w", sh.name, err)
	}
	r.Name, r.What, r.Budget = sh.name, sh.queries[0], sh.budget
	r.Entries = float64(entries) / float64(len(sh.queries))
	b.rep.add(r)
	return true, nil
}
