package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// Role says what somebody may sign in as.
type Role string

// The roles.
const (
	Patient   Role = "patient"   // in their own record: Person is a Patient
	Proxy     Role = "proxy"     // for patients who, or whose records, say so
	Clinician Role = "clinician" // in the records of those they treat: Person is a Practitioner
	Admin     Role = "admin"     // administers the server; opens no record
)

// Roles lists the roles. The slice is the caller's.
func Roles() []Role { return []Role{Patient, Proxy, Clinician, Admin} }

// Account is somebody who can sign in.
type Account struct {
	ID       string   // never changes, never used again; the subject of id tokens
	Login    string   // normal form; empty when a provider vouches for the person
	Name     string   // how to address the person
	Roles    []Role   // at least one
	Person   fhir.Key // Patient or Practitioner; zero for somebody who is neither here
	Disabled bool     // cannot sign in, and all sessions are dead
	Issuer   string   // of the provider that vouches for the person; empty for local accounts
}

// Has reports whether a has the role r.
func (a *Account) Has(r Role) bool { return slices.Contains(a.Roles, r) }

// Is reports whether the account is that of person.
func (a *Account) Is(person fhir.Key) bool { return person != (fhir.Key{}) && a.Person == person }

// What can go wrong. Everything else is a fault of the store.
var (
	// ErrCredentials: the login does not exist, the password is wrong, or the
	// account is disabled. Which of them is not said.
	ErrCredentials = errors.New("account: login and password do not match")
	// ErrBusy: too many passwords are being checked; trying again soon may succeed.
	ErrBusy = errors.New("account: too many passwords are being checked")
	// ErrUnknown: there is no such account.
	ErrUnknown = errors.New("account: no such account")
	// ErrTaken: another account has this login.
	ErrTaken = errors.New("account: this login is taken")
)

const collection = "portico_accounts"

// Accounts keeps accounts in a store. Safe for concurrent use, and by many
// processes on one store.
type Accounts struct {
	Store  store.Store
	Hasher *Hasher
	Now    func() time.Time // nil: time.Now
}

func (a *Accounts) now() time.Time { return store.Now(a.Now) }

// Indexes are those that the collections of this package need.
func Indexes() []store.Index {
	return []store.Index{
		{Collection: collection, Name: "login", Keys: []store.Key{{Path: "login"}}, Unique: true, Sparse: true},
		{Collection: collection, Name: "upstream", Keys: []store.Key{{Path: "upstream"}}, Unique: true, Sparse: true},
		{Collection: sessions, Name: "account", Keys: []store.Key{{Path: "account"}}},
		{Collection: sessions, Name: "gone", Keys: []store.Key{{Path: "gone"}}, ExpireAfter: time.Second},
		{Collection: attempts, Name: "gone", Keys: []store.Key{{Path: "gone"}}, ExpireAfter: time.Second},
	}
}

var loginForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{1,99}$`)

// NormalLogin is the form in which logins are kept and compared: without spaces
// around, in lower case. It may be no login at all.
func NormalLogin(s string) string { return strings.ToLower(norm.NFKC.String(strings.TrimSpace(s))) }

// Validate says what is wrong with the account, in words for an administrator.
func (a *Account) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(a.Login == "" || loginForm.MatchString(a.Login), "a login has 2 to 100 characters: letters a to z, digits and . _ @ + -, the first a letter or digit")
	check(len(a.Name) <= 200, "the name is longer than 200 bytes")
	check(len(a.Roles) > 0, "say at least one role: patient, proxy, clinician or admin")
	for _, r := range a.Roles {
		check(slices.Contains(Roles(), r), "there is no role %q; there are patient, proxy, clinician and admin", string(r))
	}
	check(!a.Has(Patient) || a.Person.Type == "Patient", "the role patient needs the person's record, as Patient/123")
	check(!a.Has(Clinician) || a.Person.Type == "Practitioner", "the role clinician needs the person's record, as Practitioner/123")
	switch a.Person.Type {
	case "", "Patient", "Practitioner":
	default:
		check(false, "the person must be a Patient or a Practitioner, not a %s", a.Person.Type)
	}
	return errors.Join(faults...)
}

// Add makes a local account and gives it its ID. The error is ErrTaken, what
// Validate or CheckPassword say, or of the store.
func (a *Accounts) Add(ctx context.Context, account Account, password string) (Account, error) {
	account.Login, account.ID = NormalLogin(account.Login), newID()
	if account.Login == "" {
		return Account{}, errors.New("a local account needs a login")
	}
	if err := errors.Join(account.Validate(), CheckPassword(account.Login, password)); err != nil {
		return Account{}, err
	}
	hash, err := a.Hasher.Hash(ctx, password)
	if err != nil {
		return Account{}, err
	}
	return account, a.insert(ctx, document{Account: account, Hash: hash})
}

func (a *Accounts) insert(ctx context.Context, d document) error {
	d.Made = a.now()
	raw, err := d.marshal()
	if err != nil {
		return err
	}
	err = a.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: collection, Doc: raw}})
	if errors.Is(err, store.ErrExists) {
		return ErrTaken
	}
	if err != nil {
		return fmt.Errorf("add an account: %w", err)
	}
	return nil
}

// Get gives the account with an ID, ErrUnknown when there is none.
func (a *Accounts) Get(ctx context.Context, id string) (Account, error) {
	d, err := a.find(ctx, "_id", id)
	return d.Account, err
}

// ByLogin gives the local account with a login, ErrUnknown when there is none.
func (a *Accounts) ByLogin(ctx context.Context, login string) (Account, error) {
	d, err := a.find(ctx, "login", NormalLogin(login))
	return d.Account, err
}

// find gives the account whose field is value.
func (a *Accounts) find(ctx context.Context, field, value string) (document, error) {
	q := store.Query{Collection: collection, Where: store.Eq{Path: field, Value: store.String(value)}, Limit: 1}
	for raw, err := range a.Store.Find(ctx, q) {
		if err != nil {
			return document{}, fmt.Errorf("find an account: %w", err)
		}
		return unmarshal(raw)
	}
	return document{}, ErrUnknown
}

// List gives all accounts in the order of their logins.
func (a *Accounts) List(ctx context.Context) ([]Account, error) {
	var all []Account
	for raw, err := range a.Store.Find(ctx, store.Query{Collection: collection, Order: []store.Key{{Path: "login"}}}) {
		if err != nil {
			return nil, fmt.Errorf("list accounts: %w", err)
		}
		d, err := unmarshal(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, d.Account)
	}
	return all, nil
}

// SetDisabled disables an account, which ends all its sessions, or enables it
// again. ErrUnknown when there is none with this ID.
func (a *Accounts) SetDisabled(ctx context.Context, id string, disabled bool) error {
	return a.change(ctx, id, func(d *document) error {
		d.Disabled = disabled
		d.Epoch++
		return nil
	})
}

// SetPassword gives a local account another password, which ends all its sessions
// and forgets the browsers that it was used from. The error is ErrUnknown, what
// CheckPassword says, or of the store.
func (a *Accounts) SetPassword(ctx context.Context, id, password string) error {
	account, err := a.Get(ctx, id)
	if err != nil {
		return err
	}
	if account.Login == "" {
		return errors.New("this account has no password: a provider vouches for the person")
	}
	if err := CheckPassword(account.Login, password); err != nil {
		return err
	}
	hash, err := a.Hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	return a.change(ctx, id, func(d *document) error {
		d.Hash, d.Devices = hash, nil
		d.Epoch++
		return nil
	})
}

// EndSessions ends all sessions of an account.
func (a *Accounts) EndSessions(ctx context.Context, id string) error {
	return a.change(ctx, id, func(d *document) error {
		d.Epoch++
		return nil
	})
}

// maxChanges bounds how often a change is tried again because another was faster.
const maxChanges = 10

// change reads an account, changes it and writes it, unless it was changed
// meanwhile: then anew.
func (a *Accounts) change(ctx context.Context, id string, f func(*document) error) error {
	for range maxChanges {
		d, err := a.find(ctx, "_id", id)
		if err != nil {
			return err
		}
		old := d.Rev
		if err := f(&d); err != nil {
			return err
		}
		d.Rev++
		raw, err := d.marshal()
		if err != nil {
			return err
		}
		err = a.Store.Apply(ctx, []store.Op{{
			Kind: store.Replace, Collection: collection, ID: store.String(id), Doc: raw,
			If: store.Eq{Path: "rev", Value: store.V(old)},
		}})
		if !errors.Is(err, store.ErrConflict) {
			if err != nil {
				err = fmt.Errorf("change an account: %w", err)
			}
			return err
		}
	}
	return fmt.Errorf("change an account: %w", store.ErrUnavailable)
}

// newID makes an identifier that cannot be guessed.
func newID() string { return base64.RawURLEncoding.EncodeToString(random(16)) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// digest is what is kept of a secret, or of something that need not be read.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
