package mongo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/portico-fhir/portico/store"
)

// The error labels of the driver's specifications.
const (
	labelTransient     = "TransientTransactionError"
	labelUnknownCommit = "UnknownTransactionCommitResult"
	labelNoWrites      = "NoWritesPerformed"
)

// Codes of MongoDB that are named here because something depends on them.
const (
	codeUnauthorized     = 13
	codeCommandNotFound  = 59
	codeWriteConflict    = 112
	codeIllegalOperation = 20
)

// errUnknown ends the text of an error after which a write may or may not have
// been carried out.
var errUnknown = errors.New("the outcome of the write is not known")

// kindOf says which of the store's errors a code of MongoDB's is; nil for a
// fault that is none of them.
func kindOf(code int) error {
	switch code {
	case 11000, 11001, 12582: // duplicate key
		return store.ErrExists
	case 10334, 17419, 17420, 257: // document, update or transaction too large
		return store.ErrTooLarge
	case 171, // CannotIndexParallelArrays
		2,      // BadValue, such as sorting by two arrays at once
		28,     // PathNotViable: a field to set lies below a scalar
		40,     // ConflictingUpdateOperators
		52, 57, // DollarPrefixedFieldName, DottedFieldName
		56,     // EmptyFieldName
		66,     // ImmutableField: the _id
		73,     // InvalidNamespace
		15,     // Overflow: nested too deeply
		51091,  // a regular expression that does not compile
		143,    // an array would be filled up too far
		85, 86, // an index of that name, or with those keys, is defined otherwise
		16837, 53: // cannot apply to this _id
		return store.ErrInvalid
	case 6, 7, 89, 9001, // host not reached, network
		24, 46, 50, 112, 175, 202, 262, // locks, time limits, conflicts
		91, 11600, 11601, 11602, 189, 10107, 13435, 13436, 133, 134, 244, 246, // primaries come and go
		14031, 146, 365, // disk or memory is full, too many requests
		239, 251, 267, 43, 237, 136, 83, 13388: // snapshot, transaction or cursor gone
		return store.ErrUnavailable
	case 260, 280, 286, 40647, 40649, 50811: // a resume token that is none, or too old
		return store.ErrTokenLost
	case 206, 22, 226, 1018: // invalid BSON, checksums
		return store.ErrCorrupt
	}
	return nil
}

// serverError is what may be told of a server's error: its code and the name
// of that, but never its message, which may quote documents.
type serverError struct {
	op   string
	code int
	name string
	kind error // of package store, or nil
}

func (e *serverError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "mongo: %s: server error %d", e.op, e.code)
	if e.name != "" {
		b.WriteString(" " + e.name)
	}
	if e.kind != nil {
		b.WriteString(": " + e.kind.Error())
	}
	return b.String()
}

func (e *serverError) Unwrap() error { return e.kind }

// hasLabel looks for a label of the driver's anywhere in err.
func hasLabel(err error, label string) bool {
	var labelled mongo.LabeledError
	return errors.As(err, &labelled) && labelled.HasErrorLabel(label)
}

// codeOf gives the code and name of a server's error.
func codeOf(err error) (code int, name string, ok bool) {
	var command mongo.CommandError
	if errors.As(err, &command) && command.Code != 0 {
		return int(command.Code), command.Name, true
	}
	var failed mongo.ServerError
	if errors.As(err, &failed) {
		for _, c := range failed.ErrorCodes() {
			if c != 0 {
				return c, "", true
			}
		}
	}
	return 0, "", false
}

// readFault turns an error of something that changes nothing into the store's.
func readFault(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mongo.ErrClientDisconnected):
		return store.ErrClosed
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, driver.ErrDeadlineWouldBeExceeded):
		return ended(ctx, op)
	}
	if code, name, ok := codeOf(err); ok {
		return &serverError{op: op, code: code, name: name, kind: kindOf(code)}
	}
	if unreachable(err) {
		return fmt.Errorf("mongo: %s: %w", op, store.ErrUnavailable)
	}
	return fmt.Errorf("mongo: %s: driver error %T", op, err) // its text may quote what it was given
}

// ended is the error of a call whose time is up, or soon will be, or whose
// caller has gone.
func ended(ctx context.Context, op string) error {
	switch {
	case ctx.Err() == nil && limited(ctx), errors.Is(context.Cause(ctx), errTimeout):
		return fmt.Errorf("mongo: %s: time limit: %w", op, store.ErrUnavailable)
	case ctx.Err() == nil:
		return fmt.Errorf("mongo: %s: %w", op, context.DeadlineExceeded)
	}
	return fmt.Errorf("mongo: %s: %w", op, ctx.Err())
}

// unreachable says whether err comes from the way to the server.
func unreachable(err error) bool {
	var selection topology.ServerSelectionError
	var connection topology.ConnectionError
	return mongo.IsNetworkError(err) || mongo.IsTimeout(err) ||
		errors.As(err, &selection) || errors.As(err, &connection)
}

// unsent says whether a failed write certainly never reached a server that
// carried it out.
func unsent(err error) bool {
	var selection topology.ServerSelectionError
	var queue topology.WaitQueueTimeoutError
	return hasLabel(err, labelNoWrites) || errors.As(err, &selection) || errors.As(err, &queue)
}

// writeFault turns the error of a write of one op, outside of a transaction,
// into the store's.
func writeFault(ctx context.Context, op string, err error) error {
	var failed mongo.WriteException
	if errors.As(err, &failed) && len(failed.WriteErrors) > 0 {
		return opFault(op, failed.WriteErrors[0].Code, failed.WriteErrors[0].Message)
	}
	if tooLarge(err) {
		return &store.OpError{Err: store.ErrTooLarge}
	}
	if errors.Is(err, mongo.ErrClientDisconnected) || unsent(err) {
		return readFault(ctx, op, err)
	}
	// The driver has tried a second time where that can help.
	code, name, ok := codeOf(err)
	concern := failed.WriteConcernError != nil
	switch {
	case ok && !concern && kindOf(code) != store.ErrUnavailable:
		return &serverError{op: op, code: code, name: name, kind: kindOf(code)}
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errTimeout):
		return fmt.Errorf("mongo: %s: %w: %w", op, ctx.Err(), errUnknown)
	case ok:
		return fmt.Errorf("mongo: %s: server error %d %s: %w", op, code, name, errUnknown)
	}
	return fmt.Errorf("mongo: %s: %w", op, errUnknown)
}

// opFault is the error of an op that the server refused. For a duplicate key it
// names the index.
func opFault(op string, code int, message string) error {
	kind := kindOf(code)
	if kind == store.ErrExists {
		return &store.OpError{Name: duplicateIndex(message), Err: store.ErrExists}
	}
	if kind == store.ErrTooLarge || kind == store.ErrInvalid {
		return &store.OpError{Err: kind}
	}
	return &serverError{op: op, code: code, kind: kind}
}

// duplicateIndex reads the name of the index from the text of a duplicate key
// error; "" for that of the _id.
func duplicateIndex(message string) string {
	_, rest, ok := strings.Cut(message, " index: ")
	if !ok {
		return ""
	}
	name, _, ok := strings.Cut(rest, " dup key")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, " collation:")
	if name == "_id_" {
		return ""
	}
	return name
}

// tooLarge says whether the driver or the server refused a message for its size.
func tooLarge(err error) bool {
	if errors.Is(err, driver.ErrDocumentTooLarge) {
		return true
	}
	code, _, ok := codeOf(err)
	return ok && kindOf(code) == store.ErrTooLarge
}
