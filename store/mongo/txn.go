package mongo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/portico-fhir/portico/store"
)

// endTimeout bounds what is done after the caller has gone: aborting, closing.
const endTimeout = 5 * time.Second

// transaction is what retry needs of a session.
type transaction interface {
	Start() error
	Commit(ctx context.Context) error
	Abort()
	// Context carries the transaction to the operations in it.
	Context(ctx context.Context) context.Context
}

// session is a transaction of the driver's.
type session struct{ *mongo.Session }

func (s session) Start() error { return s.StartTransaction() }

func (s session) Commit(ctx context.Context) error { return s.CommitTransaction(ctx) }

func (s session) Abort() {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	_ = s.AbortTransaction(ctx) // the server aborts by itself what nobody continues
}

func (s session) Context(ctx context.Context) context.Context {
	return mongo.NewSessionContext(ctx, s.Session)
}

// inTransaction runs body in a transaction until that is committed or failed
// for a reason that trying again does not help.
func (s *Store) inTransaction(ctx context.Context, body func(context.Context) error) error {
	sess, err := s.client.StartSession(options.Session().SetDefaultTransactionOptions(
		options.Transaction().
			SetReadConcern(readconcern.Snapshot()).
			SetReadPreference(readpref.Primary()).
			SetWriteConcern(durable())))
	if err != nil {
		return readFault(ctx, "session", err)
	}
	defer sess.EndSession(context.WithoutCancel(ctx))
	return retry(ctx, session{sess}, s.timeout, backoff, body)
}

// retry is the loop that the transactions specification asks for. Any error in
// body ends its transaction. body returns the driver's errors as they are, or
// a *store.OpError. When ctx ends before a commit nothing has changed.
func retry(ctx context.Context, tx transaction, commitTime time.Duration, pause func(int) time.Duration, body func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		if attempt > 0 && !sleep(ctx, pause(attempt)) {
			return busy(ctx)
		}
		if err := tx.Start(); err != nil {
			return readFault(ctx, "transaction", err)
		}
		err := body(tx.Context(ctx))
		if err == nil {
			again, err := commit(ctx, tx, commitTime, pause)
			if again {
				continue
			}
			return err
		}
		tx.Abort()
		switch {
		case ctx.Err() != nil:
			return busy(ctx)
		case !transient(err):
			return transactionFault(ctx, err)
		}
	}
}

// commit commits, again and again while the answer is not known. It does not
// stop when the caller goes: then at least the outcome is clear. again says
// that the transaction is gone and has to be repeated.
func commit(ctx context.Context, tx transaction, limit time.Duration, pause func(int) time.Duration) (again bool, err error) {
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := tx.Commit(own)
		switch {
		case err == nil:
			return false, nil
		case hasLabel(err, labelUnknownCommit):
			if sleep(own, pause(attempt)) {
				continue
			}
			return false, fmt.Errorf("mongo: commit: %w", errUnknown)
		case transient(err):
			return true, nil
		}
		code, name, ok := codeOf(err)
		if !ok {
			return false, fmt.Errorf("mongo: commit: %w", errUnknown)
		}
		return false, &serverError{op: "commit", code: code, name: name, kind: kindOf(code)}
	}
}

// transient says whether the whole transaction should be tried again.
func transient(err error) bool {
	if hasLabel(err, labelTransient) {
		return true
	}
	code, _, ok := codeOf(err)
	return ok && code == codeWriteConflict
}

// transactionFault is for an error before the commit: nothing has changed.
func transactionFault(ctx context.Context, err error) error {
	var op *store.OpError
	if errors.As(err, &op) {
		return err
	}
	return readFault(ctx, "transaction", err)
}

// busy is the error when time runs out before a transaction went through.
func busy(ctx context.Context) error { return ended(ctx, "transaction") }

// backoff gives a random pause that grows with each attempt: 64 writers of one
// document get through one by one.
func backoff(attempt int) time.Duration {
	ceiling := min(time.Millisecond<<min(attempt, 10), 250*time.Millisecond)
	return time.Duration(rand.Int64N(int64(ceiling))) + time.Millisecond //nolint:gosec // no secret
}

// sleep waits, or says false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
