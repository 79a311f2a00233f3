package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
)

// deed is one of the things that a subcommand with an administrator's registry does.
type deed struct {
	name, synopsis string
	run            func(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error
}

// do runs the deed that args begin with.
func do(ctx context.Context, command string, deeds []deed, later, args []string, env func(string) string, std streams) error {
	var names []string
	for _, d := range deeds {
		names = append(names, d.name)
	}
	if len(args) == 0 {
		return usageError{fmt.Errorf("%s: say what to do: %s", command, strings.Join(names, ", "))}
	}
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		for _, d := range deeds {
			fmt.Fprintf(std.out, "portico %s %s %s\n", command, d.name, d.synopsis)
		}
		fmt.Fprintf(std.out, "\nEach explains its flags with -h.\n")
		return nil
	}
	for _, d := range deeds {
		if d.name == args[0] {
			return d.run(ctx, newFlags(command+" "+d.name), args[1:], env, std)
		}
	}
	if slices.Contains(later, args[0]) {
		return usageError{fmt.Errorf("%s %s is not available in this version", command, args[0])}
	}
	return usageError{fmt.Errorf("%s: there is no %q. There are: %s", command, args[0], strings.Join(names, ", "))}
}

// registry declares the flags that say in which store accounts and clients are, reads
// all flags, and opens it. The one argument may stand before the flags. Done is nil
// when only help was asked for.
func registry(ctx context.Context, f *flag.FlagSet, args []string, wants string, env func(string) string, std streams) (st store.Store, arg string, done func() error, err error) {
	c := defaultConfig()
	if uri := env("PORTICO_STORE"); uri != "" {
		c.Store.URI = storeURI(uri)
	}
	f.StringVar((*string)(&c.Store.URI), "store", string(c.Store.URI), "sqlite:`DIR` or mongodb://…")
	f.BoolVar(&c.Store.MongoDev, "mongo-dev", false, "accept a MongoDB without transactions or journal, for trying things out")
	if wants != "" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		arg, args = args[0], args[1:]
	}
	if help, err := parse(f, args, std.out); help || err != nil {
		return nil, "", nil, err
	}
	rest := f.Args()
	if wants != "" && arg == "" && len(rest) > 0 {
		arg, rest = rest[0], rest[1:]
	}
	switch {
	case len(rest) > 0:
		return nil, "", nil, usageError{fmt.Errorf("%s: %q is too much", f.Name(), rest[0])}
	case wants != "" && arg == "":
		return nil, "", nil, usageError{fmt.Errorf("%s: give the %s", f.Name(), wants)}
	case !c.Store.URI.known() || c.Store.URI == "memory:":
		return nil, "", nil, usageError{fmt.Errorf("%s: --store must be sqlite:DIR or mongodb://HOST/DATABASE", f.Name())}
	}
	log, lines := newLogger(std.err, c.Log.Level)
	if st, err = openStore(ctx, c.Store, log); err != nil {
		return nil, "", nil, errors.Join(err, lines.Close())
	}
	return st, arg, func() error { return errors.Join(st.Close(), lines.Close()) }, nil
}

// texts is a flag that may be given several times.
type texts []string

func (t *texts) String() string { return strings.Join(*t, " ") }

// Set implements flag.Value.
func (t *texts) Set(s string) error { *t = append(*t, s); return nil }

// users administers local accounts.
func users(ctx context.Context, args []string, env func(string) string, std streams) error {
	return do(ctx, "user", []deed{
		{"add", "LOGIN --role ROLE [--person Patient/ID] [--name NAME]", userAdd},
		{"list", "", userList},
		{"passwd", "LOGIN", userPassword},
		{"disable", "LOGIN", userDisable},
		{"enable", "LOGIN", userEnable},
	}, []string{"invite"}, args, env, std)
}

func accounts(st store.Store) *account.Accounts {
	return &account.Accounts{Store: st, Hasher: account.NewHasher(account.DefaultCost(), runtime.GOMAXPROCS(0))}
}

func userAdd(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) (err error) {
	var roles texts
	f.Var(&roles, "role", "`role`: patient, proxy, clinician or admin; may be given several times")
	name := f.String("name", "", "how to address the person")
	person := f.String("person", "", "the person's own record, as Patient/123 or Practitioner/456")
	st, login, done, err := registry(ctx, f, args, "login", env, std)
	if err != nil || done == nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	a := account.Account{Login: account.NormalLogin(login), Name: *name}
	for _, r := range roles {
		a.Roles = append(a.Roles, account.Role(r))
	}
	if *person != "" {
		var ok bool
		if a.Person, ok = account.ParsePerson(*person); !ok {
			return usageError{fmt.Errorf("user add: --person %q is no reference as Patient/123", *person)}
		}
	}
	if err := a.Validate(); err != nil {
		return usageError{fmt.Errorf("user add: %w", oneLine(err))}
	}
	password, err := readPassword(std, a.Login)
	if err != nil {
		return err
	}
	if err := st.Ensure(ctx, account.Indexes()); err != nil {
		return fmt.Errorf("user add: %w", err)
	}
	made, err := accounts(st).Add(ctx, a, password)
	if errors.Is(err, account.ErrTaken) {
		return fmt.Errorf("user add: there is an account %q already", a.Login)
	}
	if err != nil {
		return fmt.Errorf("user add: %w", oneLine(err))
	}
	_, err = fmt.Fprintf(std.out, "added %s\n", made.Login)
	return err
}

func userList(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) (err error) {
	st, _, done, err := registry(ctx, f, args, "", env, std)
	if err != nil || done == nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	all, err := accounts(st).List(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(std.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "LOGIN\tROLES\tPERSON\tSTATE")
	for _, a := range all {
		state, person, roles := "active", "-", make([]string, len(a.Roles))
		if a.Disabled {
			state = "disabled"
		}
		if a.Person.ID != "" {
			person = a.Person.String()
		}
		for i, r := range a.Roles {
			roles[i] = string(r)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", loginOf(a), strings.Join(roles, ","), person, state)
	}
	return w.Flush()
}

// loginOf names an account on the command line: those of a provider have no login.
func loginOf(a account.Account) string {
	if a.Login == "" {
		return "id:" + a.ID
	}
	return a.Login
}

// findUser gives the account with a login, or with an id as list prints it.
func findUser(ctx context.Context, a *account.Accounts, login string) (found account.Account, err error) {
	if id, ok := strings.CutPrefix(login, "id:"); ok {
		found, err = a.Get(ctx, id)
	} else {
		found, err = a.ByLogin(ctx, login)
	}
	if errors.Is(err, account.ErrUnknown) {
		return account.Account{}, fmt.Errorf("there is no account %q. All are listed by: portico user list", login)
	}
	return found, err
}

func userPassword(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) (err error) {
	st, login, done, err := registry(ctx, f, args, "login", env, std)
	if err != nil || done == nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	a := accounts(st)
	who, err := findUser(ctx, a, login)
	if err != nil {
		return fmt.Errorf("user passwd: %w", err)
	}
	password, err := readPassword(std, who.Login)
	if err != nil {
		return err
	}
	if err := a.SetPassword(ctx, who.ID, password); err != nil {
		return fmt.Errorf("user passwd: %w", oneLine(err))
	}
	_, err = fmt.Fprintf(std.out, "changed the password of %s; all sessions have ended\n", who.Login)
	return err
}

func userDisable(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	return setDisabled(ctx, f, args, env, std, true)
}

func userEnable(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	return setDisabled(ctx, f, args, env, std, false)
}

func setDisabled(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams, disabled bool) (err error) {
	st, login, done, err := registry(ctx, f, args, "login", env, std)
	if err != nil || done == nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	a := accounts(st)
	who, err := findUser(ctx, a, login)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	if err := a.SetDisabled(ctx, who.ID, disabled); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	said := "enabled"
	if disabled {
		said = "disabled %s; all sessions, and all access of apps, have ended\n"
		// After the account: whoever is just signing in gets nothing new.
		if err := (&token.Tokens{Store: st}).EndAccount(ctx, who.ID); err != nil {
			return fmt.Errorf("%s: the account is disabled, but the access of apps has not ended; do it again: %w", f.Name(), err)
		}
	} else {
		said += " %s\n"
	}
	_, err = fmt.Fprintf(std.out, said, loginOf(who))
	return err
}

// readPassword reads a new password: from the terminal twice, without showing it, else
// the first line of what comes in. It is never an argument, which others can see.
func readPassword(std streams, login string) (string, error) {
	if file, ok := std.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return askPassword(file, std.err, login)
	}
	password, err := firstLine(std.in)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if password == "" {
		return "", usageError{errors.New("no password came in: type it at a terminal, or send it to standard input")}
	}
	return password, checkPassword(login, password)
}

// firstLine reads a secret that comes in.
func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 2*account.MaxPassword)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

func askPassword(terminal *os.File, w io.Writer, login string) (string, error) {
	ask := func(prompt string) (string, error) {
		fmt.Fprintf(w, "%s: ", prompt)
		b, err := term.ReadPassword(int(terminal.Fd()))
		fmt.Fprintln(w)
		return string(b), err
	}
	password, err := ask("New password")
	if err == nil {
		err = checkPassword(login, password)
	}
	if err != nil {
		return "", err
	}
	again, err := ask("Once more")
	if err == nil && again != password {
		err = errors.New("the two passwords differ")
	}
	return password, err
}

func checkPassword(login, password string) error {
	if err := account.CheckPassword(login, password); err != nil {
		return usageError{err}
	}
	return nil
}

// oneLine puts errors that were joined into one line.
func oneLine(err error) error {
	return fmt.Errorf("%w", errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")))
}
