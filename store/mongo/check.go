package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/auth"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/portico-fhir/portico/store"
)

// minWire is the wire version of MongoDB 4.4.
const minWire = 9

// probeCollection is where Open tries a transaction, in Portico's own database.
// Nothing is ever left in it.
const probeCollection = "portico.probe"

// unfit says why a server is refused, and what to do.
type unfit struct{ why string }

func (e *unfit) Error() string {
	return e.why + ". Portico needs MongoDB 4.4 or later as a replica set (one member is enough: " +
		"mongod --replSet rs0, then rs.initiate()) or a sharded cluster. " +
		"To try it on this server nevertheless, without atomic transactions, start with --mongo-dev"
}

// hello is the part of the server's answer that the check reads.
type hello struct {
	SetName        string `bson:"setName"`
	Msg            string `bson:"msg"`
	MaxWireVersion int32  `bson:"maxWireVersion"`
	SessionMinutes *int32 `bson:"logicalSessionTimeoutMinutes"`
}

// fault says what the server lacks by its own account.
func (h hello) fault() error {
	switch {
	case h.MaxWireVersion < minWire:
		return &unfit{fmt.Sprintf("the server is older than MongoDB 4.4 (wire version %d)", h.MaxWireVersion)}
	case h.SetName == "" && h.Msg != "isdbgrid":
		return &unfit{"the server is standalone: it has no transactions and cannot promise that a write survives"}
	case h.SessionMinutes == nil:
		return &unfit{"the server has no sessions"}
	}
	return nil
}

// check finds out what the server can do, and refuses one that cannot keep the
// store's promises unless dev.
func (s *Store) check(ctx context.Context, dev bool) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var h hello
	err := s.client.Database("admin").RunCommand(ctx, field("hello", 1)).Decode(&h)
	if code, _, ok := codeOf(err); ok && code == codeCommandNotFound { // before 4.4.2
		err = s.client.Database("admin").RunCommand(ctx, field("isMaster", 1)).Decode(&h)
	}
	if err != nil {
		return reach(ctx, err)
	}
	fault := h.fault()
	if fault == nil {
		fault = s.probe(ctx)
	}
	var lacks *unfit
	if fault != nil && !(dev && errors.As(fault, &lacks)) {
		return fault
	}
	s.atomic = fault == nil
	return nil
}

// reach explains why the server did not answer the first question.
func reach(ctx context.Context, err error) error {
	if code, name, ok := codeOf(err); ok {
		return &serverError{op: "hello", code: code, name: name, kind: kindOf(code)}
	}
	var credentials *auth.Error
	if errors.As(err, &credentials) {
		return errors.New("the server refuses the credentials: check the user, the password and authSource, " +
			"which is the URI's database unless the URI says otherwise")
	}
	var selection topology.ServerSelectionError
	if errors.As(err, &selection) {
		// It says what is wrong with each host, and knows no credentials.
		return fmt.Errorf("cannot reach the server: %w: %w", err, store.ErrUnavailable)
	}
	return readFault(ctx, "hello", err)
}

// probe inserts in a transaction, aborts it and looks whether the document is
// gone: some compatible servers carry out such writes at once.
func (s *Store) probe(ctx context.Context) error {
	c := s.client.Database(s.own).Collection(probeCollection)
	id := bson.NewObjectID()
	undone := errors.New("undo")
	err := s.inTransaction(ctx, func(ctx context.Context) error {
		mark := bson.D{{Key: "_id", Value: id}, {Key: "mark", Value: "\u0301"}}
		if _, err := c.InsertOne(ctx, mark); err != nil {
			return err
		}
		// Compatible servers may read a smaller language of regular expressions.
		query := bson.D{{Key: "_id", Value: id}, {Key: "mark", Value: field("$regex", "^"+pcre().marks+"$")}}
		if c.FindOne(ctx, query).Err() == nil {
			s.dialect = pcre()
		}
		return &store.OpError{Err: undone} // ends the transaction as it is
	})
	if !errors.Is(err, undone) {
		var server *serverError
		if !errors.As(err, &server) {
			return err
		}
		switch server.code {
		case codeUnauthorized:
			return fmt.Errorf("the user may not write to Portico's database %q: grant readWrite on it: %w", s.own, err)
		case codeIllegalOperation, codeCommandNotFound, 263, 303, 50, 115, 238, 9:
			return &unfit{fmt.Sprintf("the server refuses transactions (%v)", err)}
		}
		return err
	}
	n, err := c.CountDocuments(ctx, field("_id", id))
	if err != nil {
		return readFault(ctx, "probe", err)
	}
	if n == 0 {
		return nil
	}
	if _, err := c.DeleteOne(ctx, field("_id", id)); err != nil {
		return readFault(ctx, "probe", err)
	}
	return &unfit{"the server keeps what an aborted transaction wrote"}
}
