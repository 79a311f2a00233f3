package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

const sessions = "portico_sessions"

// The limits of a session when Sessions does not say others.
const (
	DefaultIdle     = 30 * time.Minute
	DefaultAbsolute = 12 * time.Hour
	seenEvery       = time.Minute // how exactly the use of a session is recorded
)

// ErrNoSession means that there is no such session, or that it has ended.
var ErrNoSession = errors.New("account: no session")

// Session is a browser in which somebody is signed in.
type Session struct {
	ID      string    // names the session and opens nothing: the hash of its secret
	Account string    // id of the account
	At      time.Time // when the person signed in (auth_time)
	Seen    time.Time // last use, to a minute
	Until   time.Time // ends then, used or not
}

// Sessions keeps sessions in a store. Safe for concurrent use, and by many
// processes on one store.
type Sessions struct {
	Accounts       *Accounts
	Idle, Absolute time.Duration // 0: the defaults
}

type storedSession struct {
	ID      string    `bson:"_id"`
	Account string    `bson:"account"`
	Epoch   int64     `bson:"epoch"`
	At      time.Time `bson:"at"`
	Seen    time.Time `bson:"seen"`
	Until   time.Time `bson:"until"`
	Gone    time.Time `bson:"gone"`
}

func (s storedSession) session() Session {
	return Session{ID: s.ID, Account: s.Account, At: s.At.UTC(), Seen: s.Seen.UTC(), Until: s.Until.UTC()}
}

func (s *Sessions) idle() time.Duration {
	if s.Idle > 0 {
		return s.Idle
	}
	return DefaultIdle
}

func (s *Sessions) absolute() time.Duration {
	if s.Absolute > 0 {
		return s.Absolute
	}
	return DefaultAbsolute
}

// Start begins a session and ends the one that the browser had before, so that
// a secret from before the sign-in is worth nothing (session fixation). The secret
// is for the browser alone. ErrUnknown when the account is gone or disabled.
func (s *Sessions) Start(ctx context.Context, account, previous string) (secret string, started Session, err error) {
	d, err := s.Accounts.find(ctx, "_id", account)
	if err != nil {
		return "", Session{}, err
	}
	if d.Disabled {
		return "", Session{}, ErrUnknown
	}
	if previous != "" {
		if err := s.End(ctx, previous); err != nil {
			return "", Session{}, err
		}
	}
	now := s.Accounts.now()
	secret = newID() + newID()
	x := storedSession{ID: digest("session", secret), Account: account, Epoch: d.Epoch, At: now, Seen: now, Until: now.Add(s.absolute())}
	x.Gone = s.gone(x)
	raw, err := bson.Marshal(x)
	if err == nil {
		err = s.Accounts.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: sessions, Doc: raw}})
	}
	if err != nil {
		return "", Session{}, fmt.Errorf("start a session: %w", err)
	}
	return secret, x.session(), nil
}

// gone is when x ends unless it is used.
func (s *Sessions) gone(x storedSession) time.Time {
	if t := x.Seen.Add(s.idle()); t.Before(x.Until) {
		return t
	}
	return x.Until
}

// Get gives the session with a secret, and whose it is, and records that it is in
// use. ErrNoSession when there is none, or it has ended in whatever way.
func (s *Sessions) Get(ctx context.Context, secret string) (Session, Account, error) {
	if secret == "" {
		return Session{}, Account{}, ErrNoSession
	}
	x, account, err := s.live(ctx, digest("session", secret))
	if err != nil {
		return Session{}, Account{}, err
	}
	now := s.Accounts.now()
	if now.Sub(x.Seen) < seenEvery {
		return x.session(), account, nil
	}
	x.Seen = now
	x.Gone = s.gone(x)
	err = s.Accounts.Store.Apply(ctx, []store.Op{{
		Kind: store.Update, Collection: sessions, ID: store.String(x.ID),
		Set: []store.Field{{Path: "seen", Value: store.V(x.Seen)}, {Path: "gone", Value: store.V(x.Gone)}},
	}})
	if errors.Is(err, store.ErrConflict) {
		return Session{}, Account{}, ErrNoSession // ended meanwhile
	}
	if err != nil {
		return Session{}, Account{}, fmt.Errorf("use a session: %w", err)
	}
	return x.session(), account, nil
}

// Live reports whether the session that id names goes on. Asking does not
// prolong it.
func (s *Sessions) Live(ctx context.Context, id string) (bool, error) {
	_, _, err := s.live(ctx, id)
	if errors.Is(err, ErrNoSession) {
		return false, nil
	}
	return err == nil, err
}

func (s *Sessions) live(ctx context.Context, id string) (storedSession, Account, error) {
	none := func(err error) (storedSession, Account, error) { return storedSession{}, Account{}, err }
	x, err := s.read(ctx, id)
	if err != nil {
		return none(err)
	}
	now := s.Accounts.now()
	if !now.Before(s.gone(x)) {
		return none(ErrNoSession)
	}
	d, err := s.Accounts.find(ctx, "_id", x.Account)
	if errors.Is(err, ErrUnknown) || err == nil && (d.Disabled || d.Epoch != x.Epoch) {
		err = ErrNoSession
	}
	if err != nil {
		return none(err)
	}
	return x, d.Account, nil
}

func (s *Sessions) read(ctx context.Context, id string) (storedSession, error) {
	q := store.Query{Collection: sessions, Where: store.Eq{Path: "_id", Value: store.String(id)}, Limit: 1}
	for raw, err := range s.Accounts.Store.Find(ctx, q) {
		var x storedSession
		if err == nil {
			err = bson.Unmarshal(raw, &x)
		}
		if err != nil {
			return storedSession{}, fmt.Errorf("read a session: %w", err)
		}
		return x, nil
	}
	return storedSession{}, ErrNoSession
}

// End ends the session with a secret, if there is one.
func (s *Sessions) End(ctx context.Context, secret string) error {
	err := s.Accounts.Store.Apply(ctx, []store.Op{{Kind: store.Delete, Collection: sessions, ID: store.String(digest("session", secret))}})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

// List gives the sessions of an account that go on.
func (s *Sessions) List(ctx context.Context, account string) ([]Session, error) {
	var all []Session
	q := store.Query{Collection: sessions, Where: store.Eq{Path: "account", Value: store.String(account)}}
	for raw, err := range s.Accounts.Store.Find(ctx, q) {
		var x storedSession
		if err == nil {
			err = bson.Unmarshal(raw, &x)
		}
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		live, err := s.Live(ctx, x.ID)
		if err != nil {
			return nil, err
		}
		if live {
			all = append(all, x.session())
		}
	}
	return all, nil
}
