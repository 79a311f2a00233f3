package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/conformance/browser"
	"github.com/portico-fhir/portico/conformance/program"
)

// bin is the program under test.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "portico-browser")
	if err == nil {
		bin, err = program.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// cache holds what scripts/test-browser.sh fetched.
func cache(t *testing.T, path string) string {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("../../.cache/browser", path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("there is no %s: scripts/test-browser.sh fetches it", path)
	}
	return file
}

const password = "portico-demo"

// demo is the program with the demo clinic, and an app of fhirclient beside it.
type demo struct {
	*testing.T
	tab  *browser.Tab
	base string           // of the authorization server
	app  string           // of the app
	dir  string           // of the store
	port *net.TCPListener // of openid-client
}

// portico runs the command line on the store.
func (d *demo) portico(stdin string, args ...string) string {
	d.Helper()
	cmd := exec.CommandContext(d.Context(), bin, append(args, "--store", "sqlite:"+d.dir)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.Fatalf("portico %v: %v\n%s", args, err, out)
	}
	return string(out)
}

const (
	allScopes = "launch launch/patient launch/encounter openid fhirUser online_access offline_access patient/*.cruds user/*.cruds"
	secret    = "0123456789abcdef0123456789abcdef"
)

func newDemo(t *testing.T) *demo {
	t.Helper()
	d := &demo{T: t, dir: t.TempDir(), tab: browser.Open(t)}
	script := cache(t, "fhirclient/build/fhir-client.js")
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fhir-client.js" {
			http.ServeFile(w, r, script)
			return
		}
		http.ServeFile(w, r, "testdata/app.html")
	}))
	t.Cleanup(app.Close)
	d.app = app.URL
	d.portico("", "client", "add", "fhirclient", "--name", "Blood Sugar Diary", "--kind", "public", "--redirect", app.URL+"/app",
		"--origin", app.URL, "--launch-url", app.URL+"/launch", "--scope", allScopes)
	d.port = listen(t)
	for _, kind := range []string{"public", "secret"} {
		flags := []string{"client", "add", "rp-" + kind, "--name", "Strict party", "--kind", kind, "--redirect", fmt.Sprintf("http://%s/callback", d.port.Addr()), "--scope", allScopes}
		if kind == "secret" {
			flags = append(flags, "--secret-stdin")
		}
		d.portico(secret, flags...)
	}
	server := program.Start(t, bin, "--demo", "--store", "sqlite:"+d.dir)
	d.base = strings.TrimSuffix(server.Base, "/fhir")
	return d
}

// listen takes a free port, for another process to accept the connections.
func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// standalone opens the app by itself.
func (d *demo) standalone(scope string) {
	d.Helper()
	d.tab.Go(d.app + "/launch?" + url.Values{"iss": {d.base + "/fhir"}, "scope": {scope}}.Encode())
	d.tab.Await("#login")
}

// ehr opens the app as an EHR does, by a launch that it made.
func (d *demo) ehr(scope string, launch map[string]any) {
	d.Helper()
	token := d.post("/auth/token", "application/x-www-form-urlencoded", url.Values{"grant_type": {"client_credentials"}, "scope": {"launch"}}.Encode(), func(r *http.Request) {
		r.SetBasicAuth("demo-script", "portico-demo-secret")
	})
	launch["client_id"] = "fhirclient"
	body, err := json.Marshal(launch)
	if err != nil {
		d.Fatal(err)
	}
	made := d.post("/auth/launch", "application/json", string(body), func(r *http.Request) {
		r.Header.Set("Authorization", fmt.Sprint("Bearer ", token["access_token"]))
	})
	d.tab.Go(d.app + "/app") // the app remembers what it will ask for
	browser.Eval[string](d.tab, fmt.Sprintf(`sessionStorage.setItem("scope", %q), ""`, scope))
	d.tab.Go(fmt.Sprint(made["launch_url"]))
	d.tab.Await("#login")
}

func (d *demo) post(path, media, body string, change func(*http.Request)) map[string]any {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), http.MethodPost, d.base+path, strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	r.Header.Set("Content-Type", media)
	change(r)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	var v map[string]any
	if err != nil || json.Unmarshal(data, &v) != nil || resp.StatusCode >= 300 {
		d.Fatalf("%s: %s %v %s", path, resp.Status, err, data)
	}
	return v
}

func (d *demo) signIn(login string) {
	d.Helper()
	d.tab.Set("#login", login)
	d.tab.Set("#password", password)
	d.tab.Follow(`form[action$="/auth/login"] button`)
}

// pick chooses a patient by the name that the page shows.
func (d *demo) pick(name string) {
	d.Helper()
	d.tab.Await("#people")
	id := browser.Eval[string](d.tab, fmt.Sprintf(`[...document.querySelectorAll("#people label")].find(l => l.querySelector("strong").textContent === %q)?.htmlFor || ""`, name))
	if id == "" {
		d.Fatalf("%s is not offered: %s", name, d.tab.Text("#people"))
	}
	d.tab.Click("#" + id)
	d.tab.Follow(`form:has(#people) button`)
}

// allow agrees to all that the app asks for.
func (d *demo) allow() {
	d.Helper()
	d.tab.Follow(`form[action$="/auth/consent"] button:not([formaction])`)
}

// seen is what the app saw.
type seen struct {
	Error, Patient, Encounter, User, Scope, Intent, Me any
	Name, Observation, Appointment                     any
	Banner, Refreshable, Refreshed                     bool
	Others                                             map[string]any
	TokenType                                          string
	Expires                                            int
}

func (d *demo) result() seen {
	d.Helper()
	var got seen
	text := d.tab.Text("#result")
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.Error != nil {
		d.Fatalf("the app shows %s (%v)", text, err)
	}
	return got
}

// relyingParty starts openid-client and gives where it wants the browser to go, and what
// reads what it says in the end.
func (d *demo) relyingParty(env ...string) (address string, said func() map[string]any) {
	d.Helper()
	modules := cache(d.T, "node_modules")
	node, err := exec.LookPath("node")
	if err != nil {
		d.Skip("there is no Node.js")
	}
	dir := d.TempDir()
	script, err := os.ReadFile("testdata/relying-party.mjs")
	if err != nil {
		d.Fatal(err)
	}
	if err := errors.Join(os.Symlink(modules, filepath.Join(dir, "node_modules")), os.WriteFile(filepath.Join(dir, "rp.mjs"), script, 0o600)); err != nil {
		d.Fatal(err)
	}
	cmd := exec.CommandContext(d.Context(), node, filepath.Join(dir, "rp.mjs"))
	port, err := d.port.File()
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = port.Close() }()
	cmd.ExtraFiles = []*os.File{port}
	cmd.Env = append(os.Environ(), append(env, "ISSUER="+d.base, "FHIR="+d.base+"/fhir", fmt.Sprint("PORT=", d.port.Addr().(*net.TCPAddr).Port))...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		d.Fatal(err)
	}
	lines := json.NewDecoder(out)
	var first struct{ Go string }
	if err := lines.Decode(&first); err != nil {
		_ = cmd.Wait()
		d.Fatalf("openid-client: %v\n%s", err, errs.String())
	}
	return first.Go, func() map[string]any {
		d.Helper()
		var v map[string]any
		if err := lines.Decode(&v); err != nil {
			d.Fatalf("openid-client: %v\n%s", err, errs.String())
		}
		if err := cmd.Wait(); err != nil {
			d.Errorf("openid-client: %v\n%s", err, errs.String())
		}
		return v
	}
}
