package checkup

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
)

// Health is what Examine found.
type Health struct {
	Types   []TypeHealth `json:"types"`
	Faults  []Faults     `json:"faults"`
	Records []Records    `json:"records"`
	Indexes []Suggestion `json:"indexes"`
}

// TypeHealth says how many resources the documents of a type's maps became.
type TypeHealth struct {
	Type      fhir.Type `json:"type"`
	Maps      []string  `json:"maps"`
	Documents int64     `json:"documents"`
	Resources int       `json:"resources"`
	// Withheld are documents that became no resource at all; -1 where one document
	// becomes several, so that this cannot be told.
	Withheld int64 `json:"withheld"`
}

// Faults are values that a rule could not read.
type Faults struct {
	Map      string   `json:"map"`
	Line     int      `json:"line"`
	Element  string   `json:"element"`
	Count    int      `json:"count"`
	Examples []string `json:"examples"` // ids of a few resources
}

// Records says what a map's bookkeeping lacks, on which optimistic locking and
// lastUpdated depend.
type Records struct {
	Map       string `json:"map"`
	Version   string `json:"version,omitempty"` // the field; empty: a hash is the version
	NoVersion int64  `json:"noVersion"`         // documents without a whole number in it
	Updated   string `json:"updated,omitempty"`
	NoUpdated int64  `json:"noUpdated"` // documents without a date in it
	Patient   string `json:"patient,omitempty"`
	NoPatient int64  `json:"noPatient"`       // documents without it: invisible to patients and those who act for them
	Array     string `json:"array,omitempty"` // whose elements are resources
	NoArray   int64  `json:"noArray"`         // documents in which it is something else: no search finds these
}

// Suggestion is an index that searches on a patient, or reading by id, would need.
type Suggestion struct {
	Map        string   `json:"map"`
	For        string   `json:"for"` // patient, id
	Collection string   `json:"collection"`
	Fields     []string `json:"fields"` // descending ones behind a "-"
	// Examined documents gave Returned ones in a search that was tried.
	Examined int64 `json:"examined"`
	Returned int64 `json:"returned"`
}

// maxExamples is how many ids stand beside a fault.
const maxExamples = 5

// Examine reads all resources, up to limit of each type (0: all), and reports what is wrong with
// the documents. Repo's own Report is not called.
func Examine(ctx context.Context, repo *chartmap.Repository, limit int) (*Health, error) {
	g := &gathering{all: make(map[place]*Faults), seen: make(map[chartmap.Fault]bool)}
	h := new(Health)
	looking := &chartmap.Repository{Store: repo.Store, Map: repo.Map, Base: repo.Base, Now: repo.Now, Report: g.report}
	for _, t := range repo.Map.Types() {
		th, err := examineType(ctx, looking, t, limit)
		if err != nil {
			return nil, err
		}
		h.Types = append(h.Types, th)
	}
	h.Faults = g.sorted()
	for _, m := range repo.Map.Maps {
		r, err := records(ctx, repo.Store, m)
		if err != nil {
			return nil, err
		}
		h.Records = append(h.Records, r)
		id, _, _ := m.Bookkeeping()
		for _, by := range []struct{ what, field string }{{"patient", m.Compartment["Patient"]}, {"id", id}} {
			s, err := suggest(ctx, repo.Store, m, by.what, by.field)
			if err != nil {
				return nil, err
			}
			if s != nil {
				h.Indexes = append(h.Indexes, *s)
			}
		}
	}
	return h, nil
}

func examineType(ctx context.Context, repo *chartmap.Repository, t fhir.Type, limit int) (TypeHealth, error) {
	th := TypeHealth{Type: t}
	fans := false
	for _, m := range repo.Map.Maps {
		if m.Resource != t {
			continue
		}
		th.Maps = append(th.Maps, m.Name)
		fans = fans || m.Fans()
		n, err := repo.Store.Count(ctx, store.Query{Collection: m.Collection, Where: m.Documents()})
		if err != nil {
			return th, fmt.Errorf("count %s: %w", m.Collection, err)
		}
		th.Documents += n
	}
	for _, err := range resources(ctx, repo, t, limit) {
		if err != nil {
			return th, err
		}
		th.Resources++
	}
	th.Withheld = max(0, th.Documents-int64(th.Resources))
	if fans || (limit > 0 && th.Resources == limit) {
		th.Withheld = -1
	}
	return th, nil
}

// place is a rule and the element that it could not fill.
type place struct {
	mapping string
	line    int
	element string
}

// gathering counts faults by their place, once for each resource.
type gathering struct {
	mu   sync.Mutex
	all  map[place]*Faults
	seen map[chartmap.Fault]bool
}

func (g *gathering) report(f chartmap.Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen[f] {
		return
	}
	g.seen[f] = true
	at := place{f.Map, f.Line, f.Path}
	group := g.all[at]
	if group == nil {
		group = &Faults{Map: f.Map, Line: f.Line, Element: f.Path}
		g.all[at] = group
	}
	group.Count++
	if len(group.Examples) < maxExamples {
		group.Examples = append(group.Examples, f.Key.String())
	}
}

// sorted gives the faults by line.
func (g *gathering) sorted() []Faults {
	var all []Faults
	for _, f := range g.all {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b Faults) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), strings.Compare(a.Element, b.Element))
	})
	return all
}

// records counts the documents whose bookkeeping is not as it should be.
func records(ctx context.Context, st store.Store, m *chartmap.Mapping) (Records, error) {
	r := Records{Map: m.Name, Patient: m.Compartment["Patient"], Array: m.Array()}
	_, r.Version, r.Updated = m.Bookkeeping()
	ofDocument := func(path string) string { // what each element has of its own is not the document's
		if r.Array != "" && strings.HasPrefix(path, r.Array+".") {
			return ""
		}
		return path
	}
	for _, c := range []struct {
		path   string
		fits   store.Filter
		counts *int64
	}{
		{ofDocument(r.Version), number(r.Version), &r.NoVersion},
		{ofDocument(r.Updated), moment(r.Updated), &r.NoUpdated},
		{ofDocument(r.Patient), store.Exists{Path: r.Patient, Want: true}, &r.NoPatient},
		{r.Array, array(r.Array), &r.NoArray},
	} {
		if c.path == "" {
			continue
		}
		where := store.And{store.Or{store.Not{Filter: c.fits}, store.Eq{Path: c.path, Value: store.Null()}}}
		if c.path == r.Array { // not to be there is to be empty
			where = store.And{store.Not{Filter: c.fits}, store.Not{Filter: store.Eq{Path: c.path, Value: store.Null()}}}
		} else if asked := m.Documents(); asked != nil {
			where = append(where, asked)
		}
		n, err := st.Count(ctx, store.Query{Collection: m.Collection, Where: where})
		if err != nil {
			return r, fmt.Errorf("count %s: %w", m.Collection, err)
		}
		*c.counts = n
	}
	return r, nil
}

// number holds for numbers.
func number(path string) store.Filter {
	return store.Range{Path: path, Low: &store.Bound{Value: store.V(math.Inf(-1)), Inclusive: true}}
}

// array holds for arrays.
func array(path string) store.Filter {
	return store.Or{store.Elem{Path: path, Where: store.Exists{Want: true}}, store.Eq{Path: path, Value: store.V(bson.A{})}}
}

// moment holds for dates, and for the texts that dates are sometimes kept as.
func moment(path string) store.Filter {
	return store.Or{
		store.Range{Path: path, Low: &store.Bound{Value: store.V(time.Time{}), Inclusive: true}},
		store.Range{Path: path, Low: &store.Bound{Value: store.String("0"), Inclusive: true}, High: &store.Bound{Value: store.String(":")}},
	}
}

// suggest tries the search for the documents of one patient, or of one id, and proposes an index when
// many were looked at for few.
func suggest(ctx context.Context, st store.Store, m *chartmap.Mapping, what, field string) (*Suggestion, error) {
	explainer, ok := st.(store.Explainer)
	if !ok || field == "" || field == "_id" {
		return nil, nil
	}
	var one store.Value
	for doc, err := range st.Find(ctx, store.Query{Collection: m.Collection, Where: store.Exists{Path: field, Want: true}, Limit: 1}) {
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", m.Collection, err)
		}
		one = store.Lookup(doc, field)
	}
	if store.Missing(one) {
		return nil, nil
	}
	where := store.And{store.Eq{Path: field, Value: one}}
	if asked := m.Documents(); asked != nil {
		where = append(where, asked)
	}
	plan, err := explainer.Explain(ctx, store.Query{Collection: m.Collection, Where: where})
	if err != nil {
		return nil, fmt.Errorf("explain a search of %s: %w", m.Collection, err)
	}
	if plan.Index != "" && plan.Docs <= 2*plan.Returned+10 {
		return nil, nil
	}
	return &Suggestion{Map: m.Name, For: what, Collection: m.Collection, Fields: []string{field}, Examined: plan.Docs, Returned: plan.Returned}, nil
}

// CreateIndex is what to paste into the MongoDB shell.
func (s Suggestion) CreateIndex() string {
	_, name, _ := strings.Cut(s.Collection, ".")
	keys := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		path, desc := strings.CutPrefix(f, "-")
		direction := 1
		if desc {
			direction = -1
		}
		keys[i] = fmt.Sprintf("%q: %d", path, direction)
	}
	return fmt.Sprintf("db.getCollection(%q).createIndex({%s})", name, strings.Join(keys, ", "))
}
