package rest

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"

	"github.com/portico-fhir/portico/fhir"
	fhirbundle "github.com/portico-fhir/portico/fhir/bundle"
	"github.com/portico-fhir/portico/fhir/job"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/receipt"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
)

// Server answers FHIR requests over HTTP. All exported fields are set before
// Handler is called and not changed after; it is then safe for concurrent use.
type Server struct {
	// Base is the FHIR base URL without a trailing slash, as links show it. Its
	// path, and /fhir, is where the API is mounted.
	Base string
	// Repository holds the resources. What it describes is what is served.
	Repository fhir.Repository
	// Search parses searches on types.
	Search *search.Parser
	// Operations carries out operations; nil: over Repository and Search, with
	// dates in UTC.
	Operations *operation.Operations
	// Validator checks the bodies of writes. Its error is a *fhir.Error.
	Validator Validator
	// Bundles carries out batches and transactions; nil: they are not supported.
	// The server sets Writer, Search, Base and Do.
	Bundles *fhirbundle.Processor
	// DeleteMany is how many resources a conditional delete may delete at once; up to
	// 1: one that selects several is refused.
	DeleteMany int
	// Jobs carries out requests behind the back of clients that prefer respond-async; nil: they are
	// answered at once. The server sets Run and GiveUp.
	Jobs *job.Queue
	// Receipts keeps what became of requests with an Idempotency-Key; nil: such
	// requests are refused.
	Receipts *receipt.Book
	// Metadata gives the answer of /metadata in a mode; ok is false for one that is
	// not known. "full" is.
	Metadata func(mode string) (s Statement, ok bool)
	// Tasks are run while Serve serves. They end with their context.
	Tasks []func(context.Context)
	// Others are handlers of paths that are not the API's; they go before it.
	Others []Other
	// Ready says why the server cannot serve now; nil: it always can.
	Ready func(context.Context) error
	// Log gets one line per request; nil: none.
	Log *slog.Logger
	// Metrics counts; nil: nothing is counted.
	Metrics *Metrics
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// NewID makes request ids; nil: random ones.
	NewID func() string
	// Limits bound what one request, and all together, may take.
	Limits Limits
	// Authenticate says who a request comes from; nil: nobody is asked.
	Authenticate Authenticator
	// Explain answers the header X-Portico-Explain; nil: it is refused.
	Explain Explainer
	// Origins are those that browsers may call from ("https://app.example.org"),
	// or "*" for all. Discovery is open to all anyway.
	Origins []string
	// Origin reports whether browsers may call from one more origin, that of a
	// registered app; nil: none.
	Origin func(context.Context, string) bool
	// LoopbackOnly refuses requests whose Host is neither loopback nor that of
	// Base. A server that asks nobody who they are needs it: a web page whose
	// name is rebound to 127.0.0.1 would read charts otherwise.
	LoopbackOnly bool
	// Proxies are the addresses whose Forwarded and X-Forwarded-* headers are
	// believed.
	Proxies []netip.Prefix

	types    map[fhir.Type]*kind
	names    []string // of types, for suggestions
	pools    *pools
	inFlight atomic.Int64
	limited  sync.Once
	room     *room
	draining atomic.Bool
	sleep    func(time.Duration) // time.Sleep, but in tests
}

// Validator accepts or refuses a resource of a type.
type Validator interface {
	Validate(body []byte, want fhir.Type) (schema.Info, error)
}

// Statement is a CapabilityStatement as it is sent. ETag is quoted.
type Statement struct {
	Body []byte
	ETag string
}

// Limits bound requests. The zero value of a field means its default.
type Limits struct {
	Memory     int64         // bytes that the process may take: requests that would need more are told to come back; default 1 GiB
	Body       int64         // bytes of a request body, also after decompression; default 16 MiB
	Bundle     int64         // bytes of a batch or transaction, also after decompression; default 32 MiB
	Entries    int           // of a batch or transaction; default 5,000
	Form       int64         // bytes of the form of a POST _search; default 256 KiB
	Header     int           // bytes of a request's header; default 32 KiB
	InFlight   int64         // requests at a time, more are told to come back; default 512
	Timeout    time.Duration // for answering one request; default 30 s
	ReadHeader time.Duration // for receiving a header; default 10 s
	Read       time.Duration // for receiving a request; default 60 s
	Write      time.Duration // for sending a response; default 120 s
	Idle       time.Duration // of a connection between requests; default 120 s
	DrainDelay time.Duration // between saying not ready and refusing connections; default none
	Drain      time.Duration // for requests under way when stopping; default 30 s
}

// DefaultMemory is Limits.Memory where nothing else is said.
const DefaultMemory = 1 << 30

// withDefaults fills in the zero fields.
func (l Limits) withDefaults() Limits {
	orInt := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	orTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	orInt(&l.Memory, DefaultMemory)
	orInt(&l.Body, 16<<20)
	orInt(&l.Bundle, 32<<20)
	orInt(&l.Form, 256<<10)
	orInt(&l.InFlight, 512)
	if l.Header == 0 {
		l.Header = 32 << 10
	}
	if l.Entries == 0 {
		l.Entries = 5000
	}
	orTime(&l.Timeout, 30*time.Second)
	orTime(&l.ReadHeader, 10*time.Second)
	orTime(&l.Read, 60*time.Second)
	orTime(&l.Write, 120*time.Second)
	orTime(&l.Idle, 120*time.Second)
	orTime(&l.Drain, 30*time.Second)
	return l
}

// kind is a type with what may be done with it.
type kind struct {
	name          fhir.Type
	can           fhir.Capability
	typeAllow     string // methods on [base]/[type]
	searchAllow   string // methods on [base]/[type]/_search
	instanceAllow string // methods on [base]/[type]/[id]
	historyAllow  string
	versionAllow  string
}

// limit fills in the limits, and makes the room that they leave.
func (s *Server) limit() {
	s.limited.Do(func() {
		s.Limits = s.Limits.withDefaults()
		s.room = newRoom(s.Limits.Memory)
	})
}

// Handler derives the routes from the repository and returns them.
func (s *Server) Handler() http.Handler {
	s.limit()
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.NewID == nil {
		s.NewID = randomID
	}
	if s.sleep == nil {
		s.sleep = time.Sleep
	}
	if s.Operations == nil {
		s.Operations = &operation.Operations{Repository: s.Repository, Search: s.Search}
	}
	if s.Jobs != nil {
		s.Jobs.Run, s.Jobs.GiveUp = s.runJob, s.giveUp
	}
	s.pools = newPools()
	s.types = make(map[fhir.Type]*kind)
	for _, t := range fhir.Types() {
		if k := describe(t, s.Repository.Describe(t)); k != nil {
			s.types[t] = k
			s.names = append(s.names, string(t))
		}
	}

	// Paths are taken as they come: cleaning would redirect, and a decoded
	// "%2F" would change what an id is.
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for _, o := range s.Others {
		if o.Prefix {
			router.PathPrefix(o.Path + "/").Handler(s.other(o))
		}
		router.Path(o.Path).Handler(s.other(o))
	}
	for _, prefix := range s.mounts() {
		api := s.handle(prefix, s.authenticated)
		router.PathPrefix(prefix + "/").Handler(api)
		router.Path(prefix).Handler(api)
	}
	router.Path("/healthz").Handler(s.handle("", s.healthz))
	router.Path("/readyz").Handler(s.handle("", s.readyz))
	router.NotFoundHandler = s.handle("", s.nowhere)
	return router
}

// mounts are the paths of the FHIR base: where it is for clients, and /fhir for
// a proxy that strips the front part.
func (s *Server) mounts() []string {
	mounts := []string{"/fhir"}
	if u, err := url.Parse(s.Base); err == nil && u.Path != "" && u.Path != "/fhir" {
		mounts = append(mounts, strings.TrimSuffix(u.Path, "/"))
	}
	return mounts
}

// describe derives the methods from what the repository can do; nil when it
// knows nothing of the type.
func describe(t fhir.Type, c fhir.Capability) *kind {
	if c.None() {
		return nil
	}
	return &kind{
		name:          t,
		can:           c,
		typeAllow:     allow(when(c.Search, "GET, HEAD"), when(c.Create, "POST"), when(c.Search && c.Update, "PUT"), when(c.Search && c.Update && c.Read, "PATCH"), when(c.Search && c.Delete, "DELETE")),
		searchAllow:   allow(when(c.Search, "POST")),
		instanceAllow: allow(when(c.Read, "GET, HEAD"), when(c.Update, "PUT"), when(c.Update && c.Read, "PATCH"), when(c.Delete, "DELETE")),
		historyAllow:  allow(when(c.HistoryInstance, "GET, HEAD")),
		versionAllow:  allow(when(c.VRead, "GET, HEAD")),
	}
}

func when(can bool, methods string) string {
	if can {
		return methods
	}
	return ""
}

// allow makes the value of Allow from the methods that there are.
func allow(methods ...string) string {
	methods = slices.DeleteFunc(methods, func(m string) bool { return m == "" })
	return strings.Join(append(methods, "OPTIONS"), ", ")
}
