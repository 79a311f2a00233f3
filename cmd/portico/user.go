package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
)

// users administers local accounts.
func users(ctx context.Context, args []string, env func(string) string, std streams) error {
	return do(ctx, "user", []deed{
		{"add", "LOGIN --role ROLE [--person Patient/ID] [--name NAME]", userAdd},
		{"list", "", userList},
		{"passwd", "LOGIN", userPassword},
		{"disable", "LOGIN", userDisable},
		{"enable", "LOGIN", userEnable},
	}, args, env, std)
}

func accounts(st store.Store) *account.Accounts {
	return &account.Accounts{Store: st, Hasher: account.NewHasher(account.DefaultCost(), runtime.GOMAXPROCS(0))}
}

// addUser makes an account.
type addUser struct {
	beginning

	Account  account.Account
	Password string
}

func userAdd(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	var roles texts
	f.Var(&roles, "role", "`role`: patient, proxy, clinician or admin; may be given several times")
	name := f.String("name", "", "how to address the person")
	person := f.String("person", "", "the person's own record, as Patient/123 or Practitioner/456")
	at, login, done, err := place(f, args, "login", env, std)
	if err != nil || done {
		return err
	}
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
	return dispatch(ctx, at, f.Name(), &addUser{Account: a, Password: password}, std)
}

func (e *addUser) carryOut(ctx context.Context, o *office) (string, error) {
	if err := o.store.Ensure(ctx, account.Indexes()); err != nil {
		return "", err
	}
	made, err := accounts(o.store).Add(ctx, e.Account, e.Password)
	if errors.Is(err, account.ErrTaken) {
		return "", fmt.Errorf("there is an account %q already", e.Account.Login)
	}
	return fmt.Sprintf("added %s\n", made.Login), err
}

// listUsers lists the accounts.
type listUsers struct{ following }

func userList(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	at, _, done, err := place(f, args, "", env, std)
	if err != nil || done {
		return err
	}
	return dispatch(ctx, at, f.Name(), &listUsers{}, std)
}

func (*listUsers) carryOut(ctx context.Context, o *office) (string, error) {
	all, err := accounts(o.store).List(ctx)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
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
	err = w.Flush()
	return out.String(), err
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

// setPassword gives an account another password.
type setPassword struct {
	following

	Login, Password string
}

func userPassword(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	at, login, done, err := place(f, args, "login", env, std)
	if err != nil || done {
		return err
	}
	password, err := readPassword(std, account.NormalLogin(login))
	if err != nil {
		return err
	}
	return dispatch(ctx, at, f.Name(), &setPassword{Login: login, Password: password}, std)
}

func (e *setPassword) carryOut(ctx context.Context, o *office) (string, error) {
	a := accounts(o.store)
	who, err := findUser(ctx, a, e.Login)
	if err != nil {
		return "", err
	}
	if err := a.SetPassword(ctx, who.ID, e.Password); err != nil {
		return "", err
	}
	return fmt.Sprintf("changed the password of %s; all sessions have ended\n", loginOf(who)), nil
}

// disableUser disables an account, or enables it.
type disableUser struct {
	following

	Login    string
	Disabled bool
}

func userDisable(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	return setDisabled(ctx, f, args, env, std, true)
}

func userEnable(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	return setDisabled(ctx, f, args, env, std, false)
}

func setDisabled(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams, disabled bool) error {
	at, login, done, err := place(f, args, "login", env, std)
	if err != nil || done {
		return err
	}
	return dispatch(ctx, at, f.Name(), &disableUser{Login: login, Disabled: disabled}, std)
}

func (e *disableUser) carryOut(ctx context.Context, o *office) (string, error) {
	a := accounts(o.store)
	who, err := findUser(ctx, a, e.Login)
	if err != nil {
		return "", err
	}
	if err := a.SetDisabled(ctx, who.ID, e.Disabled); err != nil {
		return "", err
	}
	if !e.Disabled {
		return fmt.Sprintf("enabled %s\n", loginOf(who)), nil
	}
	// After the account: whoever is just signing in gets nothing new.
	if err := (&token.Tokens{Store: o.store}).EndAccount(ctx, who.ID); err != nil {
		return "", fmt.Errorf("the account is disabled, but the access of apps has not ended; do it again: %w", err)
	}
	return fmt.Sprintf("disabled %s; all sessions, and all access of apps, have ended\n", loginOf(who)), nil
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
