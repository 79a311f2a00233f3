package record

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
)

// Search parameters that SearchParameter records define (R4 3.1.4). From the moment
// that one is active, every write makes its entries, on all nodes once they have
// noticed; when all records have them, which Maintain sees to, it is searched by.
//
// In parametersCollection a document stands for each that is ready, for just one
// version of its record; another is changed whenever something here has changed; and
// wordlessID is there while some records lack the entries of words.
const (
	parametersCollection = "portico_parameters"
	changesID            = "changes"
	wordlessID           = "wordless"
	fieldStamp           = "n"
	fieldHash            = "hash"
	typeSearchParameter  = fhir.Type("SearchParameter")
)

// Times of noticing.
const (
	// noticeEvery is how old a node's knowledge of the parameters may be when it
	// writes.
	noticeEvery = 2 * time.Second
	// readEvery is when all is read again, changed or not.
	readEvery = time.Minute
)

// maxParameters bounds the parameters in use that are not R4's own.
const maxParameters = 200

// The parameters for full text.
const (
	paramText    = "_text"
	paramContent = "_content"
)

// parameters are what a node knows of the search parameters. Immutable.
type parameters struct {
	stamp    string    // of the changes that it takes account of
	noticed  time.Time // when that stamp was last there
	read     time.Time
	index    *index.Parameters // nil: R4's own
	others   []other           // by id
	wordless bool              // some records lack the entries of words

	on map[fhir.Type]defined // the others by type
}

// defined are a type's parameters that are not R4's own: those that can be searched by,
// and the names of those that cannot yet.
type defined struct {
	ready   []*fhir.SearchParam
	pending []string
}

// other is a parameter that is not R4's own.
type other struct {
	id      string
	version int64
	hash    string // of the definition
	param   *fhir.SearchParam
	ready   bool
}

// stateID is the document that says that a parameter is ready.
func stateID(id string) string { return string(typeSearchParameter) + "/" + id }

// known gives what this node knows, which may be older than noticeEvery; the first
// time it reads it.
func (r *Repository) known() *parameters {
	if ps := r.parameters.Load(); ps != nil {
		return ps
	}
	ctx, cancel := context.WithTimeout(context.Background(), noticeEvery)
	defer cancel()
	ps, err := r.notice(ctx, noticeEvery)
	if err != nil {
		return &parameters{} // and the next call tries again
	}
	return ps
}

// notice gives what is known, not older than age.
func (r *Repository) notice(ctx context.Context, age time.Duration) (*parameters, error) {
	began := time.Now()
	fresh := func(ps *parameters) bool { return ps != nil && began.Sub(ps.noticed) < age }
	if ps := r.parameters.Load(); fresh(ps) {
		return ps, nil
	}
	r.noticing.Lock()
	defer r.noticing.Unlock()
	have := r.parameters.Load()
	if fresh(have) || have != nil && have.noticed.After(began) {
		return have, nil
	}
	stamp, err := r.changes(ctx)
	if err != nil {
		return nil, err
	}
	var next *parameters
	if have != nil && have.stamp == stamp && began.Sub(have.read) < readEvery {
		same := *have
		next = &same
	} else if next, err = r.readParameters(ctx, have); err != nil {
		return nil, err
	}
	next.stamp, next.noticed = stamp, began
	r.parameters.Store(next)
	if have == nil || !slices.Equal(have.others, next.others) || have.wordless != next.wordless {
		r.revision.Add(1)
	}
	return next, nil
}

// Revision changes whenever Describe may give something else than before.
func (r *Repository) Revision() uint64 { return r.revision.Load() }

// changes gives the stamp of the latest change, "" when there was none.
func (r *Repository) changes(ctx context.Context) (string, error) {
	q := store.Query{Collection: parametersCollection, Where: store.Eq{Path: fieldID, Value: store.String(changesID)}, Limit: 1}
	for doc, err := range r.Store.Find(ctx, q) {
		if err != nil {
			return "", fault("read the search parameters", err)
		}
		stamp, _ := doc.Lookup(fieldStamp).StringValueOK()
		return stamp, nil
	}
	return "", nil
}

// change is the op that tells all nodes of a change. Its document must be there.
func change() store.Op {
	return store.Op{
		Kind: store.Update, Collection: parametersCollection, ID: store.String(changesID),
		Set: []store.Field{{Path: fieldStamp, Value: store.String(rand.Text())}},
	}
}

// insert adds a document of parametersCollection unless it is there.
func (r *Repository) insert(ctx context.Context, id string, more ...bson.E) error {
	doc, err := bson.Marshal(append(bson.D{{Key: fieldID, Value: id}}, more...))
	if err != nil {
		return err
	}
	err = r.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: parametersCollection, Doc: doc}})
	if err != nil && !errors.Is(err, store.ErrExists) {
		return fault("write the search parameters", err)
	}
	return nil
}

// readParameters reads the definitions in use and which of them are ready. Those that
// have not changed keep their SearchParam.
func (r *Repository) readParameters(ctx context.Context, have *parameters) (*parameters, error) {
	states, err := r.states(ctx)
	if err != nil {
		return nil, err
	}
	_, wordless := states[wordlessID]
	next := &parameters{read: time.Now(), wordless: wordless}
	defs, err := r.definitions(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range defs {
		if len(next.others) == maxParameters || rival(next.others, d) != nil {
			continue // two were defined at the same time
		}
		next.others = append(next.others, have.same(d))
	}
	next.others, _ = composed(next.others)
	for i, d := range next.others {
		next.others[i] = have.same(d)
		next.others[i].ready = states[stateID(d.id)] == d.state()
	}
	next.on = make(map[fhir.Type]defined)
	for _, o := range next.others {
		for _, t := range o.param.On() {
			d := next.on[t]
			if o.ready {
				d.ready = append(d.ready, o.param)
			} else {
				d.pending = append(d.pending, o.param.Name)
			}
			next.on[t] = d
		}
	}
	params := next.params()
	switch {
	case have != nil && slices.Equal(params, have.params()):
		next.index = have.index // what it has compiled stays
	case len(params) > 0:
		next.index = index.With(params)
	}
	return next, nil
}

// same gives d with the SearchParam that it has had, if it is the same still.
func (ps *parameters) same(d other) other {
	if ps != nil {
		for _, old := range ps.others {
			if old.id == d.id && old.hash == d.hash {
				d.param = old.param
			}
		}
	}
	return d
}

// composed gives the parameters with the parts of composites found, without those, and
// why, of which a part is not there.
func composed(others []other) (whole []other, broken map[string]error) {
	var parts []*fhir.SearchParam
	for _, o := range others {
		parts = append(parts, o.param)
	}
	broken = make(map[string]error)
	for _, o := range others {
		p, err := index.Resolve(o.param, parts)
		if err != nil {
			broken[o.id] = err
			continue
		}
		if p != o.param {
			o.param, o.hash = p, hashOf(p)
		}
		whole = append(whole, o)
	}
	return whole, broken
}

// params are the definitions of the others.
func (ps *parameters) params() []*fhir.SearchParam {
	var params []*fhir.SearchParam
	for _, o := range ps.others {
		params = append(params, o.param)
	}
	return params
}

// state is what the document of a parameter says that is ready.
func (d other) state() string { return fmt.Sprintf("%d %s", d.version, d.hash) }

// states gives the documents of parametersCollection by their id.
func (r *Repository) states(ctx context.Context) (map[string]string, error) {
	all := make(map[string]string)
	for doc, err := range r.Store.Find(ctx, store.Query{Collection: parametersCollection}) {
		if err != nil {
			return nil, fault("read the search parameters", err)
		}
		id, _ := store.ID(doc).StringValueOK()
		all[id], _ = doc.Lookup(fieldHash).StringValueOK()
	}
	return all, nil
}

// definitions reads the parameters that SearchParameter records define, by id. What
// cannot be searched by is left out: it was written by something else than this.
func (r *Repository) definitions(ctx context.Context) ([]other, error) {
	status, _ := search.Lookup(typeSearchParameter, "status")
	c := index.Compiler{Field: fieldKeys}
	plan, err := c.Compile(typeSearchParameter, fhir.Term{Param: status, Value: fhir.TokenValue{Code: "active", AnySystem: true}})
	if err != nil {
		return nil, err
	}
	var all []other
	q := store.Query{Collection: collection(typeSearchParameter), Where: plan.Where, Order: []store.Key{{Path: fieldID}}, Fields: readFields()}
	for doc, err := range r.Store.Find(ctx, q) {
		if err != nil {
			return nil, fault("read the search parameters", err)
		}
		id, _ := store.ID(doc).StringValueOK()
		v, err := decode(id, doc)
		if err != nil {
			return nil, fault("read the search parameters", err)
		}
		if d, err := define(id, v.number, v.body); err == nil && d.param != nil {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b other) int { return strings.Compare(a.id, b.id) })
	return all, nil
}

// define reads a definition; param is nil when it is none that is in use.
func define(id string, version int64, body []byte) (other, error) {
	p, err := index.Define(body)
	if err != nil || p == nil {
		return other{}, err
	}
	return other{id: id, version: version, hash: hashOf(p), param: p}, nil
}

// hashOf is a hash of all of a definition on which entries depend.
func hashOf(p *fhir.SearchParam) string {
	text := fmt.Appendf(nil, "%q %q %q %q %q %q", p.Name, p.URL, p.Type, p.Base, p.Expression, p.Targets)
	for _, part := range p.Components {
		text = fmt.Appendf(text, " %q %q", part.Definition, part.Expression)
		if part.Param != nil {
			text = fmt.Appendf(text, " %q %q", part.Param.Type, part.Param.Targets)
		}
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// rival gives a parameter of another record with the URL of d, or with its name on
// one of its types; nil when there is none.
func rival(others []other, d other) *other {
	for i, o := range others {
		if o.id == d.id {
			continue
		}
		on := o.param.On()
		shared := func(t fhir.Type) bool { return slices.Contains(on, t) }
		if o.param.URL == d.param.URL || o.param.Name == d.param.Name && slices.ContainsFunc(d.param.On(), shared) {
			return &others[i]
		}
	}
	return nil
}

// params are the parameters by which records of a type can be searched now, and the
// names of those that cannot yet.
func (r *Repository) params(t fhir.Type) (params []*fhir.SearchParam, pending []string) {
	ps := r.known()
	for _, p := range ps.index.Of(t).Params() {
		isText := p.Name == paramText || p.Name == paramContent
		i := slices.IndexFunc(ps.others, func(o other) bool { return o.param == p })
		switch {
		case isText && r.NoText:
		case isText && ps.wordless, i >= 0 && !ps.others[i].ready:
			pending = append(pending, p.Name)
		default:
			params = append(params, p)
		}
	}
	return params, pending
}

// Others gives the parameters of a type that SearchParameter records define: those that
// can be searched by, and the names of those that cannot yet. The slices are read-only, and
// the same until something changes.
func (r *Repository) Others(t fhir.Type) (ready []*fhir.SearchParam, pending []string) {
	d := r.known().on[t]
	return d.ready, d.pending
}

// redefine checks what a commit makes of SearchParameters, and gives the ops that go
// with it: every node is to notice, and what was ready and only reads otherwise stays so.
func (r *Repository) redefine(ps *parameters, changes []fhir.Change, results []fhir.Result) ([]store.Op, error) {
	changed := make(map[string]other) // what each was that is another now, or gone
	others := slices.Clone(ps.others)
	for i, c := range changes {
		if s := results[i].Status; c.Key.Type != typeSearchParameter || s == fhir.Unchanged || s == fhir.Absent {
			continue
		}
		res := results[i].Resource
		at := slices.IndexFunc(others, func(o other) bool { return o.id == res.ID })
		if at >= 0 {
			changed[res.ID] = others[at]
			others = slices.Delete(others, at, at+1)
		}
		if res.Deleted {
			continue
		}
		v, err := strconv.ParseInt(res.Version, 10, 64)
		if err != nil {
			return nil, err
		}
		d, err := define(res.ID, v, res.Body)
		if err != nil {
			return nil, err
		}
		if d.param == nil {
			continue
		}
		if err := room(others, d); err != nil {
			return nil, err
		}
		if at < 0 {
			changed[d.id] = other{}
		}
		others = append(others, d)
	}
	if len(changed) == 0 {
		return nil, nil
	}
	whole, broken := composed(others)
	if ids := slices.Sorted(maps.Keys(broken)); len(ids) > 0 {
		id := ids[0]
		if _, ours := changed[id]; ours {
			return nil, broken[id]
		}
		return nil, fhir.Errorf(fhir.CodeConflict, "", "SearchParameter/%s is in use and has a component that would be gone. Retire or delete it first.", id)
	}
	var ops []store.Op
	for _, d := range whole {
		if before, ours := changed[d.id]; ours && before.ready && before.hash == d.hash && before.version == d.version-1 {
			ops = append(ops, store.Op{
				Kind: store.Update, Collection: parametersCollection, ID: store.String(stateID(d.id)),
				If:  store.Eq{Path: fieldHash, Value: store.String(before.state())},
				Set: []store.Field{{Path: fieldHash, Value: store.String(d.state())}},
			})
		}
	}
	return append(ops, change()), nil
}

// room refuses a parameter that there is no room for beside the others.
func room(others []other, d other) error {
	if o := rival(others, d); o != nil {
		what := "code"
		if o.param.URL == d.param.URL {
			what = "url"
		}
		return fhir.Errorf(fhir.CodeDuplicate, "SearchParameter."+what, "SearchParameter/%s defines %q with the URL %s already. Retire or delete it first.", o.id, o.param.Name, o.param.URL)
	}
	if len(others) >= maxParameters {
		return fhir.Errorf(fhir.CodeBusinessRule, "SearchParameter.status", "%d search parameters besides R4's are in use, which is the most there can be.", maxParameters)
	}
	return nil
}

// defines reports whether there are SearchParameters among the changes.
func defines(changes []fhir.Change) bool {
	return slices.ContainsFunc(changes, func(c fhir.Change) bool { return c.Key.Type == typeSearchParameter })
}

// ready makes the document that says that a parameter is.
func (d other) readyDoc() store.Doc {
	return store.Doc(bsoncore.NewDocumentBuilder().AppendString(fieldID, stateID(d.id)).AppendString(fieldHash, d.state()).Build())
}
