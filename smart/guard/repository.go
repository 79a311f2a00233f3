package guard

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// Grants says what proxies may do now.
type Grants interface {
	// Live gives what the grant with this id permits now; ok is false when it has
	// no effect, or none that is known.
	Live(ctx context.Context, id string) (e policy.Effective, ok bool, err error)
}

// Repository is Inner as far as the Access in the context permits. Without an
// Access, everything is refused. Set the fields before the first call. Safe for
// concurrent use.
type Repository struct {
	Inner  fhir.Repository
	Policy *policy.Policy
	// Grants are asked about proxies, when the Access does not say what they may do now;
	// nil: then they may do nothing.
	Grants Grants
	Base   string // the server's FHIR base URL without a trailing slash
	// Location is where dates without a zone are; nil: UTC.
	Location *time.Location
	Now      func() time.Time // nil: time.Now
	// NewID names what does not exist; it must be unguessable. nil: random text.
	NewID func() string
	// Fresh is how long it is remembered whom a clinician treats; 0: 5 seconds.
	Fresh time.Duration

	filters  filters
	treating treating
	terms    sync.Map // termKey → *fhir.SearchParam
}

var (
	_ fhir.Repository = (*Repository)(nil)
	_ fhir.Permitter  = (*Repository)(nil)
)

func (r *Repository) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *Repository) newID() string {
	if r.NewID == nil {
		return rand.Text()
	}
	return r.NewID()
}

func (r *Repository) matcher() *index.Matcher {
	return &index.Matcher{Indexer: index.Indexer{Base: r.Base, Location: r.Location}, Now: r.now()}
}

// parser reads the parameters of granular scopes and of the policy.
func (r *Repository) parser() *search.Parser {
	return &search.Parser{Base: r.Base, Describe: r.Inner.Describe, DefaultCount: 1, MaxCount: 1}
}

// behind gives the context for Inner: who asks, for rules of the EHR that depend on
// it.
func behind(ctx context.Context, a *access.Access) context.Context {
	return commit.As(ctx, commit.Actor{Role: a.Kind.String(), Self: []fhir.Key{a.Actor}})
}

// Describe implements [fhir.Repository]: what Inner can do, whoever asks.
func (r *Repository) Describe(t fhir.Type) fhir.Capability { return r.Inner.Describe(t) }

// Permits implements [fhir.Permitter]: what the scopes say.
func (r *Repository) Permits(ctx context.Context, t fhir.Type, u fhir.Use) error {
	_, err := scopesOf(access.From(ctx), t, letters[u])
	return err
}

var letters = map[fhir.Use]scope.Letters{
	fhir.ToRead: scope.Read, fhir.ToSearch: scope.Search, fhir.ToCreate: scope.Create, fhir.ToUpdate: scope.Update, fhir.ToDelete: scope.Delete,
}

// letter is the permission that a call needs: its own, or that of the change which it
// prepares.
func letter(ctx context.Context, own scope.Letters) scope.Letters {
	switch fhir.ChangeFrom(ctx) {
	case fhir.Create:
		return scope.Create
	case fhir.Put, fhir.Patch:
		return scope.Update
	case fhir.Delete:
		return scope.Delete
	}
	return own
}

// notFound is the answer to what does not exist, and to what the caller may not see.
func notFound(key fhir.Key) *fhir.Error {
	return fhir.Errorf(fhir.CodeNotFound, "", "There is no %s with this id.", key.Type)
}

// noVersion is the same for versions.
func noVersion(key fhir.Key) *fhir.Error {
	return fhir.Errorf(fhir.CodeNotFound, "", "There is no %s with this id and version.", key.Type)
}
