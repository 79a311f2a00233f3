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
	}, args, env, std)
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

// addClient registers an app.
type addClient struct {
	beginning

	ID, Name   string
	Kind       smart.Kind
	LaunchURL  string
	JWKS       []byte
	JWKSURL    string
	Redirects  []string
	Origins    []string
	Scopes     string
	Backend    bool
	SecretHash []byte
	NewSecret  string // which SecretHash is of, where it was made here: it is shown once
}

// errand makes the registration that the flags say.
func (c *clientFlags) errand(id string, std streams) (e *addClient, err error) {
	e = &addClient{
		ID: id, Name: c.name, Kind: smart.Kind(c.kind), LaunchURL: c.launch, JWKSURL: c.jwksURL,
		Redirects: c.redirects, Origins: c.origins, Scopes: c.scopes.String(), Backend: c.backend,
	}
	if c.jwks != "" {
		if e.JWKS, err = os.ReadFile(c.jwks); err != nil {
			return e, err
		}
	}
	if e.Kind != smart.Secret {
		if c.ownSecret {
			err = errors.New("--secret-stdin goes with --kind secret")
		}
		return e, err
	}
	secret := smart.NewSecret()
	if c.ownSecret {
		if secret, err = firstLine(std.in); err != nil {
			return e, err
		}
	} else {
		e.NewSecret = secret
	}
	e.SecretHash, err = smart.HashSecret(secret)
	return e, err
}

// app is the registration. The error says all that is wrong with it.
func (e *addClient) app() (*smart.Client, error) {
	app := &smart.Client{
		ID: e.ID, Name: e.Name, Kind: e.Kind, SecretHash: e.SecretHash, Redirects: e.Redirects, Origins: e.Origins,
		LaunchURL: e.LaunchURL, JWKS: e.JWKS, JWKSURL: e.JWKSURL,
	}
	if e.Backend {
		app.Grants = append(app.Grants, smart.ClientCredentials)
	}
	if !e.Backend || len(e.Redirects) > 0 {
		app.Grants = append(app.Grants, smart.AuthorizationCode)
	}
	set, bad := scope.Parse(e.Scopes)
	var faults []error
	for _, b := range bad {
		faults = append(faults, b)
	}
	if app.Scopes = set; faults == nil {
		faults = append(faults, app.Validate())
	}
	return app, errors.Join(faults...)
}

func clientAdd(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	var said clientFlags
	said.declare(f)
	at, id, done, err := place(f, args, "client_id", env, std)
	if err != nil || done {
		return err
	}
	e, err := said.errand(id, std)
	if err == nil {
		_, err = e.app()
	}
	if err != nil {
		return usageError{fmt.Errorf("client add: %w", oneLine(err))}
	}
	if err := dispatch(ctx, at, f.Name(), e, std); err != nil || e.NewSecret == "" {
		return err
	}
	fmt.Fprintln(std.err, "Keep the secret now: it is not kept here and cannot be shown again.")
	return nil
}

func (e *addClient) carryOut(ctx context.Context, o *office) (string, error) {
	app, err := e.app()
	if err != nil {
		return "", err
	}
	clients := &smart.Registry{Store: o.store}
	if err := clients.Ensure(ctx); err != nil {
		return "", err
	}
	if err := clients.Add(ctx, app); err != nil {
		return "", err
	}
	said := fmt.Sprintf("added %s\n", app.ID)
	if e.NewSecret != "" {
		said += fmt.Sprintf("secret %s\n", e.NewSecret)
	}
	return said, nil
}

// listClients lists the registered apps.
type listClients struct{ following }

func clientList(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	at, _, done, err := place(f, args, "", env, std)
	if err != nil || done {
		return err
	}
	return dispatch(ctx, at, f.Name(), &listClients{}, std)
}

func (*listClients) carryOut(ctx context.Context, o *office) (string, error) {
	all, err := (&smart.Registry{Store: o.store}).List(ctx)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
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
	err = w.Flush()
	return out.String(), err
}

// removeClient removes an app, and ends its access.
type removeClient struct {
	following

	ID string
}

func clientRemove(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	at, id, done, err := place(f, args, "client_id", env, std)
	if err != nil || done {
		return err
	}
	return dispatch(ctx, at, f.Name(), &removeClient{ID: id}, std)
}

func (e *removeClient) carryOut(ctx context.Context, o *office) (string, error) {
	clients := &smart.Registry{Store: o.store}
	app, err := clients.Get(ctx, e.ID)
	if errors.Is(err, smart.ErrUnknown) {
		return "", fmt.Errorf("there is no client %q. All are listed by: portico client list", e.ID)
	}
	if err == nil { // first so that it gets nothing new meanwhile
		disabled := *app
		disabled.Disabled = true
		err = clients.Put(ctx, &disabled)
	}
	if err == nil {
		err = (&token.Tokens{Store: o.store}).EndClient(ctx, e.ID)
	}
	if err == nil {
		err = clients.Remove(ctx, e.ID)
	}
	return fmt.Sprintf("removed %s; all its access has ended\n", e.ID), err
}
