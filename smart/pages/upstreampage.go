package pages

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/upstream"
)

// providerView is another way to sign in, as a link: the policy on forms would have to
// name where the provider's own redirects lead.
type providerView struct{ Name, Address string }

func (v *visit) providers() []providerView {
	var all []providerView
	for _, p := range v.Providers {
		q := url.Values{"provider": {p.ID}}
		if v.handle != "" {
			q.Set("request", v.handle)
		}
		all = append(all, providerView{p.Name, v.root + "/auth/upstream?" + q.Encode()})
	}
	return all
}

func (v *visit) provider(id string) *upstream.Provider {
	for _, p := range v.Providers {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// upstreamPage sends the browser to a provider. Whoever makes a browser open it only
// gains that somebody signs in as themselves.
func upstreamPage(v *visit) error {
	if err := v.open(); err != nil {
		return err
	}
	p := v.provider(v.r.URL.Query().Get("provider"))
	if p == nil {
		return &problem{status: http.StatusNotFound, what: "error.missing"}
	}
	again := v.who != nil // signed in, but not lately enough, or as somebody else
	if v.pending != nil {
		again = again || v.pending.Prompts("login") || v.pending.Prompts("select_account") || v.pending.MaxAge != nil
	}
	address, err := p.Start(v.r.Context(), v.handle, v.browser, again)
	if err != nil {
		return v.upstreamFault(p, "login.error.upstream", err)
	}
	return v.send(address)
}

// callbackPage takes a provider's answer.
func callbackPage(v *visit) error {
	answer := v.r.URL.Query()
	started, err := upstream.Resume(v.r.Context(), v.Store, answer, func(handle string) string {
		return v.cookie(v.r, browserCookieOf(handleID(handle)))
	}, v.now())
	if errors.Is(err, upstream.ErrState) {
		return expired()
	}
	if err != nil {
		return err
	}
	if err := v.resume(url.Values{"request": {started.Request}}); err != nil {
		return err
	}
	if err := v.identify(); err != nil {
		return err
	}
	p := v.provider(started.Provider)
	if p == nil {
		return expired() // it was taken away meanwhile
	}
	person, err := p.Finish(v.r.Context(), started, answer)
	switch {
	case errors.Is(err, upstream.ErrUnmapped):
		return v.upstreamFault(p, "login.error.unmapped", err)
	case err != nil:
		return v.upstreamFault(p, "login.error.upstream", err)
	}
	who, err := v.Sessions.Accounts.Upstream(v.r.Context(), person.Issuer, person.Subject, person.Account)
	if errors.Is(err, account.ErrCredentials) {
		return v.upstreamFault(p, "login.error.disabled", err)
	}
	if err != nil {
		return err
	}
	return v.signIn(&who)
}

// upstreamFault shows the page for signing in again. The cause is logged: it names no
// person.
func (v *visit) upstreamFault(p *upstream.Provider, key string, cause error) error {
	if v.Log != nil {
		v.Log.LogAttrs(v.r.Context(), slog.LevelWarn, "sign-in through a provider failed", slog.String("provider", p.ID), slog.Any("cause", cause))
	}
	return v.showLogin(http.StatusForbidden, loginFault{general: v.words.say(key, "provider", p.Name)})
}
