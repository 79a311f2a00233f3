package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/portico-fhir/portico/cmd/portico/desk"
	"github.com/portico-fhir/portico/fhir"
)

// A load through a server: the command reads the files, with the permissions of who called
// it, takes them apart and validates what is in them; the server is asked for what
// identifiers mean, and to write. What waits to be written is in the memory of the command.

// loading is the errand, on the side of the server.
type loading struct {
	lasting

	Stated stated
}

// What the command asks; one member of it is set.
type loadQuestion struct {
	Hello  bool       `json:"hello,omitempty"`
	Find   *wantedID  `json:"find,omitempty"`
	Commit []loadable `json:"commit,omitempty"` // the bodies follow, one behind the other
}

// wantedID asks for the resources with an identifier, two at most.
type wantedID struct {
	Type      fhir.Type `json:"type"`
	System    string    `json:"system"`
	Code      string    `json:"code"`
	AnySystem bool      `json:"anySystem,omitempty"`
}

// loadable is a resource to write.
type loadable struct {
	Type fhir.Type `json:"type"`
	ID   string    `json:"id"`
	Size int64     `json:"size"`
}

// loadAnswer is what the server answers: what became of what was to be written, in order, or why
// nothing was.
type loadAnswer struct {
	Welcome  *welcome     `json:"welcome,omitempty"`
	Found    []string     `json:"found,omitempty"` // ids
	Statuses []int        `json:"statuses,omitempty"`
	Issues   []fhir.Issue `json:"issues,omitempty"` // of an *fhir.Error
	Fault    string       `json:"fault,omitempty"`  // another error, or the cause of that one
}

// welcome is what a server says of itself.
type welcome struct {
	Base       string      `json:"base"`
	Most       int64       `json:"most"` // bytes of a resource
	Loadable   []fhir.Type `json:"loadable"`
	Identified []fhir.Type `json:"identified"` // those that can be found by identifier
}

const (
	// loadBatch is how many resources a server writes at a time for a load: as long as that takes,
	// others wait who write.
	loadBatch = 50
	// loadWorkers is how many batches are made ready while the server writes one.
	loadWorkers = 2
	// maxLoadBatch bounds the bytes of a batch, besides its last resource.
	maxLoadBatch = 4 << 20
	// identifier is the parameter that conditions are about.
	identifier = "identifier"
)

// carryOut answers questions until there are none any more.
func (e *loading) carryOut(ctx context.Context, o *office) (string, error) {
	types, c, err := o.resources(o.config, e.Stated)
	if err != nil {
		return "", err
	}
	s := &loadServer{office: o, into: &recordsOnly{types}, most: c.HTTP.MaxBody}
	for {
		text, size, err := o.talk.Next(ctx)
		if errors.Is(err, desk.ErrLeft) {
			o.log.Info("loaded", "resources", s.written)
			return "", nil
		}
		if err != nil {
			return "", err
		}
		var q loadQuestion
		if err := desk.Decode(text, &q); err != nil {
			return "", err
		}
		a, err := s.answer(ctx, &q, size)
		if err != nil {
			return "", err
		}
		if err := o.talk.Answer(a); err != nil {
			return "", err
		}
	}
}

// loadServer answers the questions of one load.
type loadServer struct {
	*office
	into    *recordsOnly
	most    int64
	written int
}

func (s *loadServer) answer(ctx context.Context, q *loadQuestion, size int64) (*loadAnswer, error) {
	if size > s.most+maxLoadBatch {
		return nil, fmt.Errorf("%d bytes at once are too many", size)
	}
	switch {
	case len(q.Commit) > 0:
		return s.commit(ctx, q.Commit, size)
	case size > 0:
		return nil, errors.New("there are bytes that belong to nothing")
	case q.Find != nil:
		return s.find(ctx, q.Find), nil
	case q.Hello:
		return &loadAnswer{Welcome: s.welcome()}, nil
	}
	return nil, errors.New("nothing is asked")
}

func (s *loadServer) welcome() *welcome {
	w := &welcome{Base: s.config.BaseURL + "/fhir", Most: s.most}
	for _, t := range fhir.Types() {
		can := s.into.Describe(t)
		if can.UpdateCreate {
			w.Loadable = append(w.Loadable, t)
		}
		if identifierOf(can) != nil {
			w.Identified = append(w.Identified, t)
		}
	}
	return w
}

// identifierOf is the parameter by which resources are found by identifier; nil where they are
// not.
func identifierOf(can fhir.Capability) *fhir.SearchParam {
	i := slices.IndexFunc(can.Params, func(p *fhir.SearchParam) bool { return p.Name == identifier })
	if i < 0 {
		return nil
	}
	return can.Params[i]
}

// find searches as the command would over a store of its own.
func (s *loadServer) find(ctx context.Context, w *wantedID) *loadAnswer {
	param := identifierOf(s.into.Describe(w.Type))
	if param == nil {
		return &loadAnswer{}
	}
	value := fhir.TokenValue{System: w.System, Code: w.Code, AnySystem: w.AnySystem}
	page, err := s.into.Search(ctx, &fhir.Query{Type: w.Type, Where: fhir.Term{Param: param, Value: value}, Count: 2})
	if err != nil {
		return failed(err)
	}
	a := &loadAnswer{}
	for _, res := range page.Resources {
		a.Found = append(a.Found, res.ID)
	}
	return a
}

// commit writes a batch, when there is room for it in memory. What was begun is brought to its end.
func (s *loadServer) commit(ctx context.Context, all []loadable, size int64) (*loadAnswer, error) {
	release, err := s.server.Room(ctx, size)
	if err != nil {
		return nil, err
	}
	defer release()
	bodies, err := s.talk.Payload(ctx, size)
	if err != nil {
		return nil, err
	}
	changes := make([]fhir.Change, len(all))
	for i, l := range all {
		if !l.Type.Valid() || !fhir.ValidID(l.ID) || l.Size < 0 || l.Size > int64(len(bodies)) {
			return nil, fmt.Errorf("%s/%s of %d bytes cannot be loaded", l.Type, l.ID, l.Size)
		}
		changes[i] = fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: l.Type, ID: l.ID}, Body: bodies[:l.Size:l.Size]}
		bodies = bodies[l.Size:]
	}
	if len(bodies) > 0 {
		return nil, errors.New("there are bytes that belong to no resource")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), errandTimeout)
	defer cancel()
	results, err := s.into.Commit(ctx, changes)
	if err != nil {
		return failed(err), nil
	}
	s.written += len(results)
	a := &loadAnswer{}
	for _, r := range results {
		a.Statuses = append(a.Statuses, int(r.Status))
	}
	return a, nil
}

// failed tells of an error.
func failed(err error) *loadAnswer {
	var known *fhir.Error
	if !errors.As(err, &known) {
		return &loadAnswer{Fault: err.Error()}
	}
	a := &loadAnswer{Issues: known.Issues}
	if known.Err != nil {
		a.Fault = known.Err.Error()
	}
	return a
}

// err is the error that an answer tells of.
func (a *loadAnswer) err() error {
	switch {
	case len(a.Issues) > 0 && a.Fault != "":
		return &fhir.Error{Issues: a.Issues, Err: errors.New(a.Fault)}
	case len(a.Issues) > 0:
		return &fhir.Error{Issues: a.Issues}
	case a.Fault != "":
		return errors.New(a.Fault)
	}
	return nil
}

// remote is the server's repository, on the side of the command.
type remote struct {
	server     *desk.Call
	loadable   map[fhir.Type]bool
	identified map[fhir.Type]bool
}

// loadThrough loads by a server.
func loadThrough(ctx context.Context, server *desk.Call, args []string, std streams) error {
	var a loadAnswer
	if err := server.Ask(ctx, loadQuestion{Hello: true}, nil, &a); err != nil {
		return fmt.Errorf("load: %w", asSaid(err))
	}
	if a.Welcome == nil {
		return errors.New("load: the server that has the store open does not say what it is")
	}
	r := &remote{server: server, loadable: setOf(a.Welcome.Loadable), identified: setOf(a.Welcome.Identified)}
	l := newLoader(r, a.Welcome.Base, std)
	l.Workers, l.Batch, l.MaxResource = loadWorkers, loadBatch, a.Welcome.Most
	loading, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // there may be nothing to ask for long, as nothing comes in
		<-server.Done()
		_, err := server.Result(ctx)
		cancel(err)
	}()
	sum, err := feed(loading, l, args, std.in)
	if err == nil {
		server.Hang()
		_, err = server.Result(ctx)
	}
	return conclude(sum, err, std)
}

func setOf(types []fhir.Type) map[fhir.Type]bool {
	set := make(map[fhir.Type]bool, len(types))
	for _, t := range types {
		set[t] = true
	}
	return set
}

// Describe implements load.Repository.
func (r *remote) Describe(t fhir.Type) fhir.Capability {
	can := fhir.Capability{UpdateCreate: r.loadable[t]}
	if r.identified[t] {
		can.Params = []*fhir.SearchParam{{Name: identifier}}
	}
	return can
}

// Search implements load.Repository.
func (r *remote) Search(ctx context.Context, q *fhir.Query) (page fhir.Page, err error) {
	term, ok := q.Where.(fhir.Term)
	value, isToken := term.Value.(fhir.TokenValue)
	if !ok || !isToken {
		return page, fhir.Errorf(fhir.CodeNotSupported, "", "%s can be found by identifier only", q.Type)
	}
	var a loadAnswer
	w := &wantedID{Type: q.Type, System: value.System, Code: value.Code, AnySystem: value.AnySystem}
	if err := r.server.Ask(ctx, loadQuestion{Find: w}, nil, &a); err != nil {
		return page, err
	}
	for _, id := range a.Found {
		page.Resources = append(page.Resources, fhir.Resource{Key: fhir.Key{Type: q.Type, ID: id}})
	}
	return page, a.err()
}

// Commit implements load.Repository.
func (r *remote) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	var q loadQuestion
	var bodies [][]byte
	for _, c := range changes {
		q.Commit = append(q.Commit, loadable{c.Key.Type, c.Key.ID, int64(len(c.Body))})
		bodies = append(bodies, c.Body)
	}
	var a loadAnswer
	if err := r.server.Ask(ctx, q, bodies, &a); err != nil {
		return nil, err
	}
	if err := a.err(); err != nil {
		return nil, err
	}
	if len(a.Statuses) != len(changes) {
		return nil, fmt.Errorf("the server says what has become of %d of %d resources", len(a.Statuses), len(changes))
	}
	results := make([]fhir.Result, len(changes))
	for i, c := range changes {
		results[i] = fhir.Result{Status: fhir.Status(a.Statuses[i]), Resource: fhir.Resource{Key: c.Key}}
	}
	return results, nil
}
