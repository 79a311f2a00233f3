package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/cmd/portico/desk"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/sqlite"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// atDesk opens a desk over a store in a directory, and gives a command line that has it as
// its store.
func atDesk(t *testing.T) (st store.Store, dir string, portico func(in string, args ...string) (out string, err error)) {
	t.Helper()
	dir = t.TempDir()
	st, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	t.Cleanup(openDesk(t.Context(), officeOf(t, st, dir)))
	return st, dir, commandLine("sqlite:" + dir)
}

// officeOf is that of a server over a store in a directory.
func officeOf(t *testing.T, st store.Store, dir string) office {
	t.Helper()
	c := defaultConfig()
	c.Store.URI, c.BaseURL, c.Auth = storeURI("sqlite:"+dir), "http://localhost:8080", authOff
	log := slog.New(slog.DiscardHandler)
	server, types, err := wire(t.Context(), c, st, log)
	if err != nil {
		t.Fatal(err)
	}
	return office{store: st, log: log, config: c, types: types, server: server}
}

func commandLine(uri string) func(in string, args ...string) (string, error) {
	return func(in string, args ...string) (string, error) {
		var out bytes.Buffer
		err := run(context.Background(), append(args, "--store", uri), func(string) string { return "" }, streams{strings.NewReader(in), &out, io.Discard})
		return out.String(), err
	}
}

// TestAdministeringWhileTheServerRuns does everything that administrators do while another
// has the store open.
func TestAdministeringWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	_, dir, portico := atDesk(t)
	keys := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(keys, clinic.BackendKeys(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		in, args, said string
		usage          bool
	}{
		{"correct horse battery", "user add amy.shaw --role patient --person Patient/amy-shaw", "added amy.shaw\n", false},
		{"correct horse battery", "user add AMY.SHAW --role proxy", `user add: there is an account "amy.shaw" already`, false},
		{"", "user list", "LOGIN     ROLES    PERSON            STATE\namy.shaw  patient  Patient/amy-shaw  active\n", false},
		{"", "user disable amy.shaw", "disabled amy.shaw; all sessions, and all access of apps, have ended\n", false},
		{"", "user enable amy.shaw", "enabled amy.shaw\n", false},
		{"another battery staple", "user passwd amy.shaw", "changed the password of amy.shaw; all sessions have ended\n", false},
		{"", "user disable no.body", `there is no account "no.body". All are listed by: portico user list`, false},
		{"", "user add x --role king", `there is no role "king"`, true},
		{"", "client add app --name App --kind public --redirect https://app.example/cb --scope patient/*.rs", "added app\n", false},
		{"a secret that is long enough to be one", "client add portal --name Portal --kind secret --secret-stdin --redirect https://portal.example/cb --scope patient/*.rs", "added portal\n", false},
		{"", "client add other --name Other --kind secret --redirect https://other.example/cb --scope patient/*.rs", "added other\nsecret ", false},
		{"", "client add keyed --name Keyed --kind jwt --backend --jwks " + keys + " --scope system/*.rs", "added keyed\n", false},
		{"", "client add bad --name Bad --kind public", "redirect", true},
		{"", "client list", "keyed", false},
		{"", "client remove app", "removed app; all its access has ended\n", false},
		{"", "client remove app", `there is no client "app". All are listed by: portico client list`, false},
		{"", "reindex", "0 records, 0 of them with new entries\n", false},
		{"", "reindex --timezone Europe/Oslo", "was started with --timezone UTC, and not Europe/Oslo", true},
		{"", "purge --before 0s --dry-run", "0 versions to be removed, and with them 0 deleted resources\n", false},
		{"", "explain Patient?name=x", "The index decides what matches.", false},
		{"", "explain Patient?nose=x", "nose", false},
		{"", "review list", "give the chart map", true},
		{"", "load none.json", "none.json", false},
		{"", "keys rotate", "a new key is published; it signs from tomorrow on\n", false},
		{"", "keys rotate --now", "a new key signs; all others are withdrawn, on every node within a minute\n", false},
	} {
		out, err := portico(step.in, strings.Fields(step.args)...)
		if err != nil {
			out = err.Error()
		}
		var usage usageError
		if !strings.Contains(out, step.said) || errors.As(err, &usage) != step.usage {
			t.Errorf("%s: %q, want %q", step.args, out, step.said)
		}
	}
	for path, want := range map[string]os.FileMode{"desk": os.ModeDir | 0o700} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode() != want {
			t.Errorf("others can get to %s: %v, %v", path, info.Mode(), err)
		}
	}
}

// TestADeskThatNobodySitsAt says what to do when the store is open elsewhere, and works
// beside what a process left behind that died.
func TestADeskThatNobodySitsAt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	portico := commandLine("sqlite:" + dir)
	st, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := portico("", "user", "list"); err == nil || !strings.Contains(err.Error(), "nobody answers at "+filepath.Join(dir, "desk", "socket")) {
		t.Errorf("got %v", err)
	}
	path := StoreConfig{URI: storeURI("sqlite:" + dir)}.desk()
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false) // as if the process had died
	if err := errors.Join(ln.Close(), st.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := portico("", "user", "list"); err != nil {
		t.Errorf("after the server died: %v", err)
	}
	if st, err = sqlite.Open(dir, sqlite.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	closeDesk := openDesk(t.Context(), officeOf(t, st, dir))
	if _, err := portico("", "user", "list"); err != nil {
		t.Errorf("the next server: %v", err)
	}
	closeDesk()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left over: %v", err)
	}
}

// TestNonsenseAtTheDesk does no harm.
func TestNonsenseAtTheDesk(t *testing.T) {
	t.Parallel()
	_, dir, portico := atDesk(t)
	path := StoreConfig{URI: storeURI("sqlite:" + dir)}.desk()
	for _, nonsense := range []string{
		"", "x",
		`{"protocol":2,"errand":"serve","with":{}}`,
		`{"protocol":2,"errand":"user add","with":{"Account":7}}`,
		`{"protocol":2,"errand":"user add"}`,
		`{"protocol":2,"errand":"user add","with":{"Account":{"Login":"x","Roles":["king"]},"Password":"correct horse battery"}}`,
		`{"protocol":2,"errand":"purge","with":{}}`,
		`{"protocol":2,"errand":"purge","with":{"Before":"2024-01-01T00:00:00Z","Dry":true}}`,
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, nonsense); err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.UnixConn).CloseWrite()
		answer, err := io.ReadAll(conn)
		if err != nil || strings.Contains(string(answer), "said") || (nonsense != "" && nonsense != "x") != strings.Contains(string(answer), "refused") {
			t.Errorf("%q is answered with %q, %v", nonsense, answer, err)
		}
		_ = conn.Close()
	}
	if out, err := portico("", "user", "list"); err != nil || strings.Count(out, "\n") != 1 {
		t.Errorf("the list is now %q, %v", out, err)
	}
}

// TestNonsenseInALoad ends the load, and nothing else.
func TestNonsenseInALoad(t *testing.T) {
	t.Parallel()
	_, dir, _ := atDesk(t)
	path := StoreConfig{URI: storeURI("sqlite:" + dir)}.desk()
	body := []byte(`{"resourceType":"Basic","code":{"text":"x"}}`)
	basic := func(id string, size int) []loadable { return []loadable{{"Basic", id, int64(size)}} }
	for _, tt := range []struct {
		q    any
		body []byte
		want string
	}{
		{loadQuestion{}, nil, "nothing is asked"},
		{map[string]any{"delete": "Basic/a"}, nil, "another version"},
		{loadQuestion{Hello: true}, body, "bytes that belong to nothing"},
		{loadQuestion{Commit: basic("a", len(body)-1)}, body, "bytes that belong to no resource"},
		{loadQuestion{Commit: basic("a", len(body)+1)}, body, "cannot be loaded"},
		{loadQuestion{Commit: basic("a", -1)}, body, "cannot be loaded"},
		{loadQuestion{Commit: basic("a/b", len(body))}, body, "cannot be loaded"},
		{loadQuestion{Commit: []loadable{{"Basics", "a", int64(len(body))}}}, body, "cannot be loaded"},
		{loadQuestion{Commit: basic("a", 32<<20)}, make([]byte, 32<<20), "too many"},
		{loadQuestion{Commit: basic("a", 1)}, []byte("{"), ""},
		{loadQuestion{Commit: basic("a", 2)}, []byte("[]"), ""},
	} {
		if !patience.Until(func() bool {
			c, err := desk.Dial(t.Context(), path, desk.Errand{Name: "load", With: []byte("{}")}, func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var a loadAnswer
			if err = c.Ask(t.Context(), tt.q, [][]byte{tt.body}, &a); err == nil {
				err = a.err()
			}
			if err != nil && strings.Contains(err.Error(), "under way") {
				return false // the one before has not ended yet
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v is answered with %+v, %v", tt.q, a, err)
			}
			return true
		}) {
			t.Fatal("a load that has ended is under way")
		}
	}
	file := filepath.Join(t.TempDir(), "one.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if !patience.Until(func() bool {
		args := []string{"load", "--store", "sqlite:" + dir, file}
		err := run(t.Context(), args, func(string) string { return "" }, streams{strings.NewReader(""), &said, io.Discard})
		return err == nil || !strings.Contains(err.Error(), "under way")
	}) || !strings.Contains(strings.Join(strings.Fields(said.String()), " "), "Basic 1 0 0 0 0") {
		t.Errorf("nothing can be loaded any more: %s", &said)
	}
}

// TestAFaultInAnErrand is told, and the end of nothing else.
func TestAFaultInAnErrand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := office{config: Config{Store: StoreConfig{URI: storeURI("sqlite:" + dir)}}, log: slog.New(slog.DiscardHandler)} // without a store
	t.Cleanup(openDesk(t.Context(), o))
	for range 2 {
		if _, err := commandLine("sqlite:"+dir)("", "user", "list"); err == nil || !strings.Contains(err.Error(), "a fault of its own") {
			t.Errorf("got %v", err)
		}
	}
}

func TestOtherStoresHaveNoDesk(t *testing.T) {
	t.Parallel()
	for _, uri := range []storeURI{"memory:", "mongodb://h/db"} {
		if path := (StoreConfig{URI: uri}).desk(); path != "" {
			t.Errorf("%s has one at %s", uri, path)
		}
	}
}
