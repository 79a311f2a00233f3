package mongo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/portico-fhir/portico/store"
)

// DefaultDatabase is Portico's own database where the URI's path names none.
const DefaultDatabase = "portico"

// DefaultTimeout bounds a call whose context has no deadline.
const DefaultTimeout = 30 * time.Second

// Options say how to use a MongoDB.
type Options struct {
	// Dev accepts a server without transactions or journal. See the package
	// documentation for what is lost.
	Dev bool
	// AllowDDL lets Ensure make indexes in databases other than Portico's own.
	AllowDDL bool
	// Timeout bounds each call whose context has no deadline; 0 means
	// DefaultTimeout. Searches are bounded by each exchange with the server.
	Timeout time.Duration
}

// Store is a MongoDB. Get one from Open.
type Store struct {
	client   *mongo.Client
	own      string // the name of Portico's own database
	allowDDL bool
	timeout  time.Duration
	atomic   bool // the server has transactions
	dialect  dialect

	mu      sync.Mutex
	calls   sync.WaitGroup // the calls under way
	closed  bool
	closing chan struct{} // closed when Close begins; ends watches
}

var (
	_ store.Store     = (*Store)(nil)
	_ store.Watcher   = (*Store)(nil)
	_ store.Explainer = (*Store)(nil)
	_ store.Pinger    = (*Store)(nil)
)

// Open connects to the MongoDB that the URI describes and makes sure that it
// can keep the promises of package store. The URI's path names Portico's own
// database; TLS, authentication and the like are given by its options. Errors
// never contain its credentials.
func Open(ctx context.Context, uri string, opts Options) (*Store, error) {
	parsed, err := parseURI(uri)
	if err != nil {
		return nil, err
	}
	timeout := opts.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	driver := driverOptions(uri, timeout)
	if driver.Validate() != nil {
		return nil, parsed.fault()
	}
	client, err := mongo.Connect(driver)
	if err != nil {
		return nil, parsed.fault()
	}
	s := &Store{
		client:   client,
		own:      DefaultDatabase,
		allowDDL: opts.AllowDDL,
		timeout:  timeout,
		dialect:  plain(),
		closing:  make(chan struct{}),
	}
	if parsed.database != "" {
		s.own = parsed.database
	}
	if err := s.check(ctx, opts.Dev); err != nil {
		disconnect(client)
		return nil, fmt.Errorf("MongoDB %s: %w", parsed, err)
	}
	return s, nil
}

// driverOptions sets in code what durability rests on, over what the URI says.
func driverOptions(uri string, timeout time.Duration) *options.ClientOptions {
	return options.Client().
		ApplyURI(uri).
		SetAppName("portico").
		SetTimeout(timeout).
		SetReadPreference(readpref.Primary()).
		SetReadConcern(readconcern.Majority()).
		SetWriteConcern(durable()).
		SetRetryReads(true).
		SetRetryWrites(true)
}

// durable is the write concern of everything: 4.4 defaults to w:1.
func durable() *writeconcern.WriteConcern {
	journal := true
	return &writeconcern.WriteConcern{W: "majority", Journal: &journal}
}

// Transactions says whether the server has them, so that a batch is all or
// nothing. It can be false only with Options.Dev.
func (s *Store) Transactions() bool { return s.atomic }

// Close implements store.Store. Watches end; other calls are waited for.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.closing)
	s.mu.Unlock()
	s.calls.Wait()
	disconnect(s.client)
	return nil
}

// disconnect gives the connections back. There is nothing to be done about an
// error, and nothing is lost by one.
func disconnect(client *mongo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = client.Disconnect(ctx)
}

// enter registers a call under way. Each success is followed by one leave.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.calls.Add(1)
	return nil
}

func (s *Store) leave() { s.calls.Done() }

// Ping implements store.Pinger: it asks the primary.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := s.client.Ping(ctx, readpref.Primary()); err != nil {
		return readFault(ctx, "ping", err)
	}
	return nil
}

// bounded gives ctx a deadline if it has none.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return within(ctx, s.timeout)
}

// within gives ctx a time limit of the store's own.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithValue(ctx, ownLimit{}, true), limit, errTimeout)
}

// errTimeout tells the store's own time limit from the caller's, and so does
// ownLimit before that has passed.
var errTimeout = errors.New("time limit")

type ownLimit struct{}

// limited says whether ctx's deadline is the store's own.
func limited(ctx context.Context) bool { return ctx.Value(ownLimit{}) != nil }

// namespace splits a collection name into database and collection.
func (s *Store) namespace(name string) (database, collection string) {
	if db, coll, ok := strings.Cut(name, "."); ok {
		return db, coll
	}
	return s.own, name
}

// collection gives the driver's handle of a collection.
func (s *Store) collection(name string) *mongo.Collection {
	db, coll := s.namespace(name)
	return s.client.Database(db).Collection(coll)
}

// name is the inverse of namespace.
func (s *Store) name(database, collection string) string {
	if database == s.own {
		return collection
	}
	return database + "." + collection
}

// field is shorthand for a one-field document.
func field(key string, value any) bson.D { return bson.D{{Key: key, Value: value}} }
