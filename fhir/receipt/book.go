package receipt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// Book keeps receipts in a store. Set Store before the first call and nothing
// afterwards. It is safe for concurrent use, also by several processes on one store.
type Book struct {
	Store store.Store
	Now   func() time.Time // nil: time.Now

	mu       sync.Mutex
	declared bool
	under    map[string]bool // ids of the requests under way in this process
}

// Claim is a request's hold on its key, until Release. It is for one goroutine.
type Claim struct {
	book    *Book
	id      string
	request []byte // hash of the request
	locked  bool

	results []fhir.Result
	found   bool
	expired store.Value // ts of a receipt that is no longer good, but still there
}

// Claim takes hold of a caller's key for a request, of which digest is everything that
// decides what it does. CodeLocked when this process is carrying out a request with the
// key, CodeBusinessRule when the key was used for another request.
func (b *Book) Claim(ctx context.Context, caller, key string, digest [sha256.Size]byte) (*Claim, error) {
	if err := b.declare(ctx); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(strconv.Quote(caller) + strconv.Quote(key)))
	c := &Claim{book: b, id: hex.EncodeToString(sum[:]), request: digest[:]}
	if !b.lock(c.id) {
		return nil, fhir.Errorf(fhir.CodeLocked, "http.Idempotency-Key", "A request with this Idempotency-Key is being carried out. Try again in a second.")
	}
	c.locked = true
	if err := c.read(ctx); err != nil {
		c.Release()
		return nil, err
	}
	return c, nil
}

// Part is the claim of the nth part of a request whose parts are carried out each on its own.
// It needs no Release.
func (c *Claim) Part(ctx context.Context, n int) (*Claim, error) {
	sum := sha256.Sum256([]byte(c.id + "/" + strconv.Itoa(n)))
	part := &Claim{book: c.book, id: hex.EncodeToString(sum[:]), request: c.request}
	return part, part.read(ctx)
}

// Release lets others use the key.
func (c *Claim) Release() {
	if !c.locked {
		return
	}
	c.book.mu.Lock()
	defer c.book.mu.Unlock()
	delete(c.book.under, c.id)
	c.locked = false
}

// Results are what became of the request when it was carried out before, without the
// bodies; found is false when it was not.
func (c *Claim) Results() (results []fhir.Result, found bool) { return c.results, c.found }

// Beside returns a context under which a commit writes the receipt. All gives what
// became of each part of the request from what became of the changes. When somebody
// else was faster with the same key, the commit fails with an error that Taken knows.
func (c *Claim) Beside(ctx context.Context, all func(changes []fhir.Result) []fhir.Result) context.Context {
	return commit.Beside(ctx, func(changes []fhir.Result) ([]store.Op, error) {
		return []store.Op{c.op(all(changes))}, nil
	})
}

// Keep writes the receipt of a request for which nothing had to be changed. Its
// error may be one that Taken knows.
func (c *Claim) Keep(ctx context.Context, results []fhir.Result) error {
	err := c.book.Store.Apply(ctx, []store.Op{c.op(results)})
	if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
		return taken(err)
	}
	if err != nil {
		return commit.Fault("keep a receipt", err)
	}
	return nil
}

func (c *Claim) op(results []fhir.Result) store.Op {
	// The store compares the time with its own clock when it expires.
	doc := encode(c.id, c.request, c.book.now(), results)
	if store.Missing(c.expired) {
		return store.Op{Kind: store.Insert, Collection: collection, Doc: doc}
	}
	return store.Op{Kind: store.Replace, Collection: collection, ID: store.String(c.id), Doc: doc, If: store.Eq{Path: fieldTime, Value: c.expired}}
}

func taken(err error) error { return &commit.Refused{Op: store.Op{Collection: collection}, Err: err} }

// Taken reports whether a commit failed since a request with the same key left its receipt
// meanwhile. Claim again then.
func Taken(err error) bool {
	var refused *commit.Refused
	return errors.As(err, &refused) && refused.Op.Collection == collection
}

// Again reads what the faster one left behind.
func (c *Claim) Again(ctx context.Context) error { return c.read(ctx) }

// read looks for the receipt.
func (c *Claim) read(ctx context.Context) error {
	c.results, c.found, c.expired = nil, false, store.Value{}
	q := store.Query{Collection: collection, Where: store.Eq{Path: fieldID, Value: store.String(c.id)}, Limit: 1}
	for doc, err := range c.book.Store.Find(ctx, q) {
		if err != nil {
			return commit.Fault("read a receipt", err)
		}
		ms, ok1 := doc.Lookup(fieldTime).DateTimeOK()
		_, request, ok2 := doc.Lookup(fieldRequest).BinaryOK()
		_, raw, ok3 := doc.Lookup(fieldResults).BinaryOK()
		results, ok4 := readResults(raw)
		switch {
		case !ok1 || !ok2 || !ok3 || !ok4:
			return fmt.Errorf("receipt: %w: a receipt cannot be read", store.ErrCorrupt)
		case c.book.now().Sub(time.UnixMilli(ms)) >= Keep:
			c.expired = doc.Lookup(fieldTime)
		case !bytes.Equal(request, c.request):
			return fhir.Errorf(fhir.CodeBusinessRule, "http.Idempotency-Key", "This Idempotency-Key was used for another request. Each request needs one of its own.")
		default:
			c.results, c.found = results, true
		}
	}
	return nil
}

// lock notes that a request is under way; false when it is already.
func (b *Book) lock(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.under[id] {
		return false
	}
	if b.under == nil {
		b.under = make(map[string]bool)
	}
	b.under[id] = true
	return true
}

// declare sees to it that receipts expire.
func (b *Book) declare(ctx context.Context) error {
	b.mu.Lock()
	done := b.declared
	b.mu.Unlock()
	if done {
		return nil
	}
	expiry := store.Index{Collection: collection, Name: "expiry", Keys: []store.Key{{Path: fieldTime}}, ExpireAfter: Keep}
	if err := b.Store.Ensure(ctx, []store.Index{expiry}); err != nil {
		return commit.Fault("declare indexes", err)
	}
	b.mu.Lock()
	b.declared = true
	b.mu.Unlock()
	return nil
}

func (b *Book) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}
