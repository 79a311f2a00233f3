package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Source is where an attempt to sign in comes from.
type Source struct {
	// Address is that of the client.
	Address netip.Addr
	// Device is the secret that the browser was given when somebody last signed in
	// there; empty when it has none.
	Device string
}

// WaitError means that there were too many attempts: another before Until is not
// looked at. It is the same whether the login exists or not.
type WaitError struct{ Until time.Time }

// Error implements error.
func (e *WaitError) Error() string {
	return fmt.Sprintf("account: too many attempts, wait until %s", e.Until.Format(time.RFC3339))
}

// Verify gives the local account whose login and password these are, and a secret
// that its browser should keep and send as Source.Device. The error is
// ErrCredentials, a *WaitError, ErrBusy, or of the store. Time and answer do not
// tell whether the login exists.
func (a *Accounts) Verify(ctx context.Context, login, password string, from Source) (account Account, device string, err error) {
	login = NormalLogin(login)
	d, err := a.find(ctx, "login", login)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return Account{}, "", err
	}
	known := from.Device != "" && slices.Contains(d.Devices, digest(from.Device))
	try, err := a.attempt(ctx, login, from, known)
	if err != nil {
		return Account{}, "", err
	}
	ok, err := a.Hasher.Check(ctx, d.Hash, password)
	switch {
	case err != nil:
		return Account{}, "", errors.Join(err, try.undo(ctx))
	case !ok || d.Disabled:
		return Account{}, "", errors.Join(ErrCredentials, try.failed(ctx))
	}
	if err := try.succeeded(ctx); err != nil {
		return Account{}, "", err
	}
	device, err = a.signedIn(ctx, d, password, from.Device, known)
	return d.Account, device, err
}

// maxDevices is how many browsers are remembered for an account.
const maxDevices = 10

// signedIn remembers the browser, and hashes the password anew when that costs
// something else by now.
func (a *Accounts) signedIn(ctx context.Context, d document, password, device string, known bool) (string, error) {
	outdated := a.Hasher.outdated(d.Hash)
	if known && !outdated {
		return device, nil
	}
	if !known {
		device = newID()
	}
	fresh := d.Hash
	if outdated {
		var err error
		if fresh, err = a.Hasher.Hash(ctx, password); err != nil {
			return "", err
		}
	}
	old := d.Hash
	err := a.change(ctx, d.ID, func(now *document) error {
		if now.Hash != old || now.Disabled {
			return ErrCredentials // the password was changed meanwhile
		}
		now.Hash = fresh
		if !known {
			now.Devices = append(now.Devices, digest(device))
			now.Devices = now.Devices[max(0, len(now.Devices)-maxDevices):]
		}
		return nil
	})
	return device, err
}
