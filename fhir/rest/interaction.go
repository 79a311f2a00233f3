package rest

// interaction is what a request asks for: a code of
// http://hl7.org/fhir/restful-interaction, or one of the edge's own.
type interaction uint8

const (
	unknown interaction = iota
	health
	preflight
	capabilities
	read
	vread
	update
	remove
	patchResource
	transaction
	batch
	historyInstance
	historyType
	historySystem
	create
	searchType
	searchCompartment
	searchSystem
	invoke
	otherwise
	jobStatus
	interactions // how many there are
)

// search reports whether it is one that finds resources, whose parameters may
// come in a form.
func (i interaction) search() bool {
	return i == searchType || i == searchCompartment || i == searchSystem
}

// String gives the code for logs and metrics.
func (i interaction) String() string { return interactionNames[i].code }

// route gives the pattern of the URL, for logs: URLs themselves may carry PHI.
func (i interaction) route() string { return interactionNames[i].route }

var interactionNames = [interactions]struct{ code, route string }{
	unknown:           {"unknown", ""},
	health:            {"health", "/healthz"},
	preflight:         {"preflight", ""},
	capabilities:      {"capabilities", "/metadata"},
	read:              {"read", "/[type]/[id]"},
	vread:             {"vread", "/[type]/[id]/_history/[vid]"},
	update:            {"update", "/[type]/[id]"},
	remove:            {"delete", "/[type]/[id]"},
	patchResource:     {"patch", "/[type]/[id]"},
	transaction:       {"transaction", "/"},
	batch:             {"batch", "/"},
	historyInstance:   {"history-instance", "/[type]/[id]/_history"},
	historyType:       {"history-type", "/[type]/_history"},
	historySystem:     {"history-system", "/_history"},
	create:            {"create", "/[type]"},
	searchType:        {"search-type", "/[type]"},
	searchCompartment: {"search-compartment", "/[type]/[id]/[type]"},
	searchSystem:      {"search-system", "/"},
	invoke:            {"operation", "/[type]/[id]/$[operation]"},
	otherwise:         {"other", ""},
	jobStatus:         {"job", "/_async/[job]"},
}
