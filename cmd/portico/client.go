package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	smart "github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/token"
)

// apps administers registered apps.
func apps(ctx context.Context, args []string, env func(string) string, std streams) error {
	return do(ctx, "client", []deed{
		{"add", "ID --name NAME --kind public|secret|jwt --scope SCOPES [--redirect URI] …", clientAdd},
		{"list", "", clientList},
		{"remove", "ID", clientRemove},
	}, nil, args, env, std)
}

// clientFlags are what a registration can say.
type clientFlags struct {
	name, kind, launch, jwks, jwksURL string
	redirects, origins, scopes        texts
	backend, ownSecret                bool
}

func (c *clientFlags) declare(f *flag.FlagSet) {
	f.StringVar(&c.name, "name", "", "the app's `name`, which people read when they are asked for their consent")
	f.StringVar(&c.kind, "kind", "", "how the app proves who it is: `public` (not at all), secret, or jwt (an assertion that it signs)")
	f.Var(&c.redirects, "redirect", "redirect `URI`; may be given several times")
	f.Var(&c.origins, "origin", "`origin` of pages that call from a browser, as https://app.example; may be given several times")
	f.Var(&c.scopes, "scope", "the most that the app may be granted, as 'launch/patient patient/*.rs'; may be given several times")
	f.StringVar(&c.launch, "launch-url", "", "`URL` at which an EHR launches the app")
	f.StringVar(&c.jwks, "jwks", "", "`file` with the app's public keys (a JWKS), for --kind jwt")
	f.StringVar(&c.jwksURL, "jwks-url", "", "`URL` of the app's public keys, for --kind jwt")
	f.BoolVar(&c.backend, "backend", false, "the app works by itself, without people (client_credentials)")
	f.BoolVar(&c.ownSecret, "secret-stdin", false, "read the secret from standard input instead of making one, for --kind secret")
}

// client makes the registration; secret is one that was made for it.
func (c *clientFlags) client(id string, std streams) (app *smart.Client, secret string, err error) {
	app = &smart.Client{
		ID: id, Name: c.name, Kind: smart.Kind(c.kind), Redirects: c.redirects, Origins: c.origins, LaunchURL: c.launch, JWKSURL: c.jwksURL,
	}
	if c.backend {
		app.Grants = append(app.Grants, smart.ClientCredentials)
	}
	if !c.backend || len(c.redirects) > 0 {
		app.Grants = append(app.Grants, smart.AuthorizationCode)
	}
	set, bad := scope.Parse(c.scopes.String())
	for _, b := range bad {
		err = errors.Join(err, b)
	}
	app.Scopes = set
	if c.jwks != "" {
		data, failed := os.ReadFile(c.jwks)
		err, app.JWKS = errors.Join(err, failed), data
	}
	if err != nil || app.Kind != smart.Secret {
		if c.ownSecret {
			err = errors.Join(err, errors.New("--secret-stdin goes with --kind secret"))
		}
		return app, "", err
	}
	if c.ownSecret {
		if secret, err = firstLine(std.in); err == nil {
			app.SecretHash, err = smart.HashSecret(secret)
		}
		return app, "", err
	}
	secret = smart.NewSecret()
	app.SecretHash, err = smart.HashSecret(secret)
	return app, secret, err
}

func clientAdd(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) (err error) {
	var said clientFlags
	said.declare(f)
	st, id, done, err := registry(ctx, f, args, "client_id", env, std)
	if err != nil || done == nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	app, secret, err := said.client(id, std)
	if err == nil {
		err = app.Validate()
	}
	if err != nil {
		return usageError{fmt.Errorf("client add: %w", oneLine(err))}
	}
	clients := &smart.Registry{Store: st}
	if err := clients.Ensure(ctx); err != nil {
		return fmt.Errorf("client add: %w", err)
	}
	if err := clients.Add(ctx, app); err != nil {
		return fmt.Errorf("client add: %w", err)
	}
	fmt.Fprintf(std.out, "added %s\n", app.ID)
	if secret != "" {
		fmt.Fprintf(std.out, "secret %s\n", secret)
		fmt.Fprintln(std.err, "Keep the secret now: it is not kept here and cannot be shown again.")
	}
	return nil
}

func clientList(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) (err error) {
	st, _, done, err := registry(ctx, f, args, "", env, std)
	if err != nil || done == nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	all, err := (&smart.Registry{Store: st}).List(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(std.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tKIND\tNAME\tSTATE\tREDIRECTS\tSCOPES")
	for _, c := range all {
		state := "active"
		if c.Disabled {
			state = "disabled"
		}
		redirects := strings.Join(c.Redirects, " ")
		if slices.Contains(c.Grants, smart.ClientCredentials) {
			redirects = strings.TrimSpace("(backend) " + redirects)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", c.ID, c.Kind, c.Name, state, redirects, c.Scopes)
	}
	return w.Flush()
}

func clientRemove(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) (err error) {
	st, id, done, err := registry(ctx, f, args, "client_id", env, std)
	if err != nil || done == nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	clients := &smart.Registry{Store: st}
	app, err := clients.Get(ctx, id)
	if errors.Is(err, smart.ErrUnknown) {
		return fmt.Errorf("client remove: there is no client %q. All are listed by: portico client list", id)
	}
	if err == nil { // first so that it gets nothing new meanwhile
		disabled := *app
		disabled.Disabled = true
		err = clients.Put(ctx, &disabled)
	}
	if err == nil {
		err = (&token.Tokens{Store: st}).EndClient(ctx, id)
	}
	if err == nil {
		err = clients.Remove(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("client remove: %w", err)
	}
	_, err = fmt.Fprintf(std.out, "removed %s; all its access has ended\n", id)
	return err
}
