package account

import (
	"context"
	"errors"
	"slices"
)

// Upstream gives the account of somebody whom a provider vouches for, keyed by
// issuer and subject, and makes it at the first time; name, roles and person are
// brought up to date. Never is a local account, or one of another issuer,
// taken for it. ErrCredentials when the account is disabled.
func (a *Accounts) Upstream(ctx context.Context, issuer, subject string, as Account) (Account, error) {
	as.Login, as.Issuer, as.Disabled = "", issuer, false
	if issuer == "" || subject == "" {
		return Account{}, errors.New("account: a provider's account needs issuer and subject")
	}
	if err := as.Validate(); err != nil {
		return Account{}, err
	}
	key := digest("upstream", issuer, subject)
	d, err := a.find(ctx, "upstream", key)
	if errors.Is(err, ErrUnknown) {
		as.ID = newID()
		err = a.insert(ctx, document{Account: as, Upstream: key})
		if err == nil {
			return as, nil
		}
		if errors.Is(err, ErrTaken) { // another sign-in at the same moment
			d, err = a.find(ctx, "upstream", key)
		}
	}
	if err != nil {
		return Account{}, err
	}
	if d.Disabled {
		return Account{}, ErrCredentials
	}
	if d.Name == as.Name && d.Person == as.Person && slices.Equal(d.Roles, as.Roles) {
		return d.Account, nil
	}
	as.ID = d.ID
	err = a.change(ctx, d.ID, func(now *document) error {
		if now.Disabled {
			return ErrCredentials
		}
		if now.Person != as.Person || !slices.Equal(now.Roles, as.Roles) {
			now.Epoch++ // sessions of who the person no longer is
		}
		now.Name, now.Roles, now.Person = as.Name, as.Roles, as.Person
		return nil
	})
	return as, err
}

// ByUpstream gives the account of somebody whom a provider vouches for, ErrUnknown when
// there is none: the person has never signed in.
func (a *Accounts) ByUpstream(ctx context.Context, issuer, subject string) (Account, error) {
	d, err := a.find(ctx, "upstream", digest("upstream", issuer, subject))
	return d.Account, err
}
