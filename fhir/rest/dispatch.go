package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// maxSegments is the longest path there is: [type]/[id]/_history/[vid].
const maxSegments = 4

// dispatch finds what a request below the FHIR base asks for (R4 3.1.0.1) and
// does it.
func (s *Server) dispatch(w *response, r *request) error {
	h, err := s.route(r)
	if err != nil {
		return s.refused(r, err)
	}
	if r.Method == http.MethodOptions {
		return s.options(w, r)
	}
	if err := s.permitted(r); err != nil {
		return s.refused(r, err)
	}
	r.params, err = parseQuery(nil, r.URL.RawQuery)
	if err != nil {
		return err
	}
	r.media = accept(r.Header["Accept"])
	if r.event.Interaction.search() && r.Method == http.MethodPost {
		if err := s.readForm(w, r); err != nil {
			return err
		}
	}
	if err := r.present(r.params); err != nil {
		return err
	}
	if r.media == "" {
		return notAcceptable("http.Accept", "This server answers in %s, FHIR version 4.0.", mediaFHIR)
	}
	if r.Header["Prefer"] != nil {
		if r.prefer, err = parsePrefer(r.Header); err != nil {
			return err
		}
	}
	if err := s.explained(r); err != nil {
		return err
	}
	if r.prefer.async && s.Jobs != nil && r.deferrable() {
		return s.submit(w, r)
	}
	return s.once(w, r, h)
}

// refused lets a refusal of the route be answered in the media type that was
// asked for, when that is possible.
func (s *Server) refused(r *request, err error) error {
	r.media = accept(r.Header["Accept"])
	if params, bad := parseQuery(nil, r.URL.RawQuery); bad == nil {
		_ = r.present(params) // the refusal of the route is what counts
	}
	return err
}

// route reads the path.
func (s *Server) route(r *request) (handler, error) {
	segments, n, err := split(r.path)
	if err != nil {
		return nil, err
	}
	switch {
	case n == 0:
		return s.routeSystem(r, "")
	case n == 1 && (segments[0] == "metadata" || strings.HasPrefix(segments[0], "_") || strings.HasPrefix(segments[0], "$")):
		return s.routeSystem(r, segments[0])
	}
	if n == 2 && segments[0] == pathJobs && s.Jobs != nil {
		return s.routeJob(r, segments[1])
	}
	k := s.types[fhir.Type(segments[0])]
	if k == nil {
		return nil, s.unknownType(segments[0])
	}
	r.kind, r.event.Type = k, k.name
	if n == 1 {
		return s.routeType(r)
	}
	switch name := segments[1]; {
	case n == 2 && name == "_search":
		return s.routeSearch(r)
	case n == 2 && name == "_history":
		return s.routeHistory(r)
	case n == 2 && strings.HasPrefix(name, "$"):
		return s.routeOperation(r, name[1:], false)
	case !fhir.ValidID(name):
		return nil, fhir.Errorf(fhir.CodeInvalid, "http.url", "The id is malformed: it must be 1 to 64 of A-Z, a-z, 0-9, '-' and '.'.")
	default:
		r.event.ID = name
		return s.routeInstance(r, segments[2:n])
	}
}

// split cuts a percent-encoded path at its slashes, then decodes the pieces: an
// encoded slash does not separate. One slash at the end is forgiven.
func split(path string) (segments [maxSegments]string, n int, err error) {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	for path != "" {
		var part string
		part, path, _ = strings.Cut(path, "/")
		if n == maxSegments {
			return segments, 0, noRoute()
		}
		if strings.IndexByte(part, '%') >= 0 {
			if part, err = url.PathUnescape(part); err != nil {
				return segments, 0, noRoute()
			}
		}
		segments[n] = part
		n++
	}
	return segments, n, nil
}

func noRoute() error {
	return fhir.Errorf(fhir.CodeNotFound, "http.url", "There is nothing at this URL. FHIR URLs are [base]/[type]/[id]; [base]/metadata says what is served.")
}

func (s *Server) unknownType(name string) error {
	if fhir.Type(name).Valid() {
		return notServed("%s is not served here.", name)
	}
	if near := fhir.Nearest(name, s.names); near != "" {
		return fhir.Errorf(fhir.CodeNotFound, "http.url", "There is no resource type of that name. Did you mean %s?", near)
	}
	return fhir.Errorf(fhir.CodeNotFound, "http.url", "There is no resource type of that name. Names are case-sensitive, as in Patient.")
}

func (s *Server) routeSystem(r *request, name string) (handler, error) {
	switch {
	case name == "metadata":
		r.event.Interaction = capabilities
		if r.Method == http.MethodOptions || isRead(r.Method) {
			return s.metadata, nil
		}
		return nil, notAllowed("GET, HEAD, OPTIONS", "The CapabilityStatement can only be read.")
	case name == "" && r.Method == http.MethodPost && s.Bundles != nil:
		r.event.Interaction = transaction
		return s.transact, nil
	case name == "" && r.Method == http.MethodPost:
		return nil, notAllowed(allow(), "Batches and transactions are not supported.")
	case name == "" && !isRead(r.Method) && s.Bundles != nil:
		r.allow = "GET, HEAD, POST, OPTIONS"
		if r.Method == http.MethodOptions {
			return nil, nil
		}
		return nil, notAllowed(r.allow, "The base takes a batch or transaction by POST, and a search on several types by GET.")
	case name == "" || name == "_search":
		return s.routeSeveral(r, searchSystem, name == "_search")
	case name == "_history":
		return s.routeHistory(r)
	case strings.HasPrefix(name, "$"):
		return s.routeOperation(r, name[1:], false)
	default:
		return nil, noRoute()
	}
}

func (s *Server) routeType(r *request) (handler, error) {
	k := r.kind
	switch {
	case r.Method == http.MethodOptions:
		return nil, nil
	case isRead(r.Method) && k.can.Search:
		r.event.Interaction = searchType
		return s.search, nil
	case r.Method == http.MethodPost && k.can.Create:
		r.event.Interaction = create
		return s.create, nil
	}
	if h := s.writes(r); h != nil && k.can.Search {
		return h, nil // by criteria
	}
	return nil, notAllowed(k.typeAllow, "%s on [base]/%s is not allowed here, but %s.", r.Method, k.name, k.typeAllow)
}

func (s *Server) routeSearch(r *request) (handler, error) {
	switch {
	case r.Method == http.MethodOptions:
		return nil, nil
	case r.Method == http.MethodPost && r.kind.can.Search:
		r.event.Interaction = searchType
		return s.search, nil
	default:
		return nil, notAllowed(r.kind.searchAllow, "%s/_search takes a POST, where the type can be searched at all.", r.kind.name)
	}
}

func (s *Server) routeInstance(r *request, rest []string) (handler, error) {
	switch {
	case len(rest) == 0:
		return s.routeResource(r)
	case rest[0] == "_history" && len(rest) == 1:
		return s.routeReadOnly(r, historyInstance, s.history, r.kind.can.HistoryInstance, r.kind.historyAllow)
	case rest[0] == "_history" && fhir.ValidID(rest[1]):
		r.version = rest[1]
		return s.routeReadOnly(r, vread, s.vread, r.kind.can.VRead, r.kind.versionAllow)
	case len(rest) == 1 && strings.HasPrefix(rest[0], "$"):
		return s.routeOperation(r, rest[0][1:], true)
	case len(rest) == 1 || rest[1] == "_search":
		return s.routeCompartment(r, rest[0], len(rest) == 2)
	default:
		return nil, noRoute()
	}
}

// routeCompartment is for [type]/[id]/[type] and [type]/[id]/* (R4 3.1.1.2).
func (s *Server) routeCompartment(r *request, name string, form bool) (handler, error) {
	r.within = r.key()
	r.event.ID = ""
	if name == "*" {
		r.several = true
		return s.routeSeveral(r, searchCompartment, form)
	}
	if !fhir.Type(name).Valid() {
		return nil, noRoute()
	}
	k := s.types[fhir.Type(name)]
	if k == nil || !k.can.Search {
		return nil, notServed("%s cannot be searched here.", name)
	}
	r.kind, r.event.Type = k, k.name
	return s.routeSeveral(r, searchCompartment, form)
}

// routeSeveral is for searches that are not on [type]: by GET, or with a form at
// _search.
func (s *Server) routeSeveral(r *request, i interaction, form bool) (handler, error) {
	r.allow = "GET, HEAD, OPTIONS"
	if form {
		r.allow = "POST, OPTIONS"
	}
	switch {
	case r.Method == http.MethodOptions:
		return nil, nil
	case isRead(r.Method) && !form, r.Method == http.MethodPost && form:
		r.event.Interaction = i
		return s.search, nil
	default:
		return nil, notAllowed(r.allow, "A search is a GET, or a POST to _search.")
	}
}

func (s *Server) routeResource(r *request) (handler, error) {
	k := r.kind
	switch {
	case r.Method == http.MethodOptions:
		return nil, nil
	case isRead(r.Method) && k.can.Read:
		r.event.Interaction = read
		return s.read, nil
	}
	if h := s.writes(r); h != nil {
		return h, nil
	}
	return nil, notAllowed(k.instanceAllow, "%s on [base]/%s/[id] is not allowed here, but %s.", r.Method, k.name, k.instanceAllow)
}

// writes finds the handler of a method that changes an existing resource; nil when
// the type does not have it.
func (s *Server) writes(r *request) handler {
	can := r.kind.can
	switch {
	case r.Method == http.MethodPut && can.Update:
		r.event.Interaction = update
		return s.update
	case r.Method == http.MethodDelete && can.Delete:
		r.event.Interaction = remove
		return s.remove
	case r.Method == http.MethodPatch && can.Update && can.Read:
		r.event.Interaction = patchResource
		return s.patch
	}
	return nil
}

// routeReadOnly is for what can only be read, and that not of every type.
func (s *Server) routeReadOnly(r *request, i interaction, h handler, can bool, allowed string) (handler, error) {
	switch {
	case r.Method == http.MethodOptions:
		return nil, nil
	case isRead(r.Method) && can:
		r.event.Interaction = i
		return h, nil
	case isRead(r.Method):
		return nil, notAllowed(allowed, "%s keeps no versions here.", r.kind.name)
	default:
		return nil, notAllowed(allowed, "Versions can only be read.")
	}
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }
