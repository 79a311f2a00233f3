package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/internal/patience"
)

// tool is portico called beside a server.
type tool struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	out, err bytes.Buffer
}

// beginTool begins a command whose standard input stays open until in is closed.
func beginTool(t *testing.T, bin string, args ...string) *tool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience.Limit)
	t.Cleanup(cancel)
	p := &tool{cmd: exec.CommandContext(ctx, bin, args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// end waits for the command, and gives its exit code; -1 when it was killed.
func (p *tool) end(t *testing.T) int {
	t.Helper()
	_ = p.in.Close()
	return p.await(t)
}

// await waits for the command although its standard input stays open.
func (p *tool) await(t *testing.T) int {
	t.Helper()
	var exit *exec.ExitError
	if p.cmd.ProcessState == nil {
		if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
	}
	return p.cmd.ProcessState.ExitCode()
}

// says waits for the command and compares its exit code, and what it says on standard error.
func (p *tool) says(t *testing.T, code int, parts ...string) {
	t.Helper()
	if got := p.end(t); got != code {
		t.Errorf("%s: exit %d, want %d: %s%s", p.cmd.Args[1], got, code, &p.out, &p.err)
	}
	for _, part := range parts {
		if !strings.Contains(p.err.String(), part) {
			t.Errorf("%s says %q, and not %q", p.cmd.Args[1], &p.err, part)
		}
	}
}

// basics are n resources, one a line, whose ids count from a number.
func basics(from, n int, text string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"resourceType":"Basic","id":"b%d","identifier":[{"system":"urn:n","value":"%[1]d"}],"code":{"text":%q}}`+"\n", from+i, text)
	}
	return b.String()
}

// counted gives the total of a search.
func (p *process) counted(t *testing.T, search string) int {
	t.Helper()
	_, body := p.exchange(t, http.MethodGet, p.Base+"/"+search+"&_summary=count", "")
	var found struct{ Total int }
	if err := json.Unmarshal([]byte(body), &found); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return found.Total
}

// visitors read and write until they are told to stop, and want to find what they wrote.
func (p *process) visitors(t *testing.T) (stop func()) {
	t.Helper()
	var stopped atomic.Bool
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			for n := 0; n == 0 || !stopped.Load(); n++ {
				key, text := fmt.Sprintf("Patient/v%d", i), fmt.Sprintf("%d-%d", i, n)
				res, body := p.exchange(t, http.MethodPut, p.Base+"/"+key, `{"resourceType":"Patient","id":"`+key[8:]+`","birthDate":"2000-01-01","identifier":[{"value":"`+text+`"}]}`)
				if res.StatusCode > 299 {
					t.Errorf("a write meanwhile: %s: %s", res.Status, body)
					return
				}
				if found := p.counted(t, "Patient?birthdate=2000-01-01&identifier="+text); found != 1 {
					t.Errorf("a search for what was just written finds %d", found)
					return
				}
			}
		})
	}
	return func() {
		stopped.Store(true)
		all.Wait()
	}
}

// freeAddress is one that nobody listens at now. What refers to a server by it, as the entries
// of a reindexing do, is the same after a restart.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // only to find a free port
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// What depends on how fast the machine is.
var (
	seconds      = regexp.MustCompile(`[0-9.]+ s, [0-9]+ resources/s`)
	progressLine = regexp.MustCompile(`^[0-9]+ resources, [0-9]+ failed, [0-9]+ MB, [0-9]+/s$`)
)

// TestOnline does beside a running server what can take long.
func TestOnline(t *testing.T) {
	t.Parallel()
	bin := built(t)
	for claim, test := range map[string]func(*testing.T, string){
		"a load is the same as without a server":                  loadIsTheSame,
		"a load that is killed or interrupted keeps what it has":  loadIsBrokenOff,
		"a load ends with its server and is repeated":             loadOutlivesServers,
		"what lives in the EHR is not loaded by its server":       ehrIsNotLoaded,
		"G1.4 purging, and reindexing, let others read and write": othersGoOn,
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			test(t, bin)
		})
	}
}

// loadIsTheSame loads with a server and without, and compares what is said.
func loadIsTheSame(t *testing.T, bin string) {
	dir := t.TempDir()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, basics(1000, 700, "loaded"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a.ndjson":      basics(0, 500, "loaded") + `{"resourceType":"Basic","id":"wrong"}` + "\n" + basics(490, 20, "loaded"),
		"b.json":        `{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:0f1f1f1e-0000-4000-8000-000000000001","resource":{"resourceType":"Patient","gender":"m"},"request":{"method":"POST","url":"Patient"}},{"fullUrl":"urn:uuid:0f1f1f1e-0000-4000-8000-000000000002","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},{"resource":{"resourceType":"Basic","id":"r","code":{"text":"x"},"subject":{"reference":"urn:uuid:0f1f1f1e-0000-4000-8000-000000000002"},"author":{"reference":"Practitioner?identifier=urn:n|7"}},"request":{"method":"PUT","url":"Basic/r"}}]}`,
		"c.json":        `{"resourceType":"Practitioner","id":"p","identifier":[{"system":"urn:n","value":"7"}]}`,
		"d/e.ndjson.gz": zipped.String(),
		"f.json":        `{"resourceType":"Basic","id":"known","code":{"text":"x"},"author":{"reference":"Practitioner?identifier=urn:n|9"}}`,
		"g.json":        `{"resourceType":"Basic","id":"twice","code":{"text":"x"},"author":{"reference":"Practitioner?identifier=urn:n|10"}}`,
		"notes.txt":     "x",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	there := `{"resourceType":"Practitioner","id":"there","identifier":[{"system":"urn:n","value":"9"}]}` + "\n" +
		`{"resourceType":"Practitioner","id":"ten","identifier":[{"system":"urn:n","value":"10"}]}` + "\n" +
		`{"resourceType":"Practitioner","id":"dix","identifier":[{"system":"urn:n","value":"10"}]}` + "\n"
	load := func(store string, in string, args ...string) string {
		p := beginTool(t, bin, append([]string{"load", "--store", store}, args...)...)
		_, _ = io.WriteString(p.in, in)
		code := p.end(t)
		lines := strings.Split(p.err.String(), "\n")
		lines = slices.DeleteFunc(lines, func(line string) bool {
			return strings.HasPrefix(line, "making a new store") || progressLine.MatchString(line)
		})
		slices.Sort(lines) // workers do not wait for each other
		return fmt.Sprintf("exit %d\n%s%s", code, seconds.ReplaceAllString(p.out.String(), ""), strings.Join(lines, "\n"))
	}
	alone, beside := "sqlite:"+t.TempDir(), "sqlite:"+t.TempDir()
	s := start(t, bin, "--auth", "off", "--store", beside)
	stop := s.visitors(t)
	for _, c := range []struct {
		in   string
		args []string
	}{{there, []string{"-"}}, {"", []string{dir}}, {"", []string{dir}}, {"", []string{filepath.Join(dir, "none")}}, {"", []string{dir, "-"}}, {"", nil}, {basics(0, 3, "loaded") + "{", []string{"-"}}} {
		want, got := load(alone, c.in, c.args...), load(beside, c.in, c.args...)
		if got != want {
			t.Errorf("load %v with a server: %s\nwithout: %s", c.args, got, want)
		}
	}
	stop()
	if n := s.counted(t, "Basic?code:text=loaded"); n != 1210 {
		t.Errorf("%d of what was loaded are found, want 1210", n)
	}
	for _, search := range []string{"Basic?author=Practitioner/p&_id=r", "Basic?author=Practitioner/there&_id=known", "Patient?_id=0f1f1f1e-0000-4000-8000-000000000002"} {
		if n := s.counted(t, search); n != 1 {
			t.Errorf("%s finds %d", search, n)
		}
	}
	chart := filepath.Join(t.TempDir(), "chart.yaml")
	if err := os.WriteFile(chart, []byte("chartmap: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{
		"--base-url=http://other": "--base-url " + strings.TrimSuffix(s.Base, "/fhir") + ", and not http://other",
		"--text=false":            "--text true, and not false",
		"--demo":                  "--demo false, and not true",
		"--chart=" + chart:        "no chart map, and not with " + chart,
	} {
		beginTool(t, bin, "load", "--store", beside, flag, dir).says(t, 2, "the server that has the store open was started with "+want)
	}
	s.Stop(t)
}

// ehrIsNotLoaded asks a server with a chart map, which is that of the demo.
func ehrIsNotLoaded(t *testing.T, bin string) {
	store, dir := "sqlite:"+t.TempDir(), t.TempDir()
	files := map[string]string{"chart.yaml": "chartmap: 1\n", "both.ndjson": `{"resourceType":"Patient","id":"p"}` + "\n" + `{"resourceType":"Basic","id":"b","code":{"text":"x"}}` + "\n"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	chart, both := filepath.Join(dir, "chart.yaml"), filepath.Join(dir, "both.ndjson")
	s := start(t, bin, "--demo", "--auth", "off", "--store", store)
	for _, said := range [][]string{nil, {"--demo"}} {
		beginTool(t, bin, append(append([]string{"load", "--store", store}, said...), both)...).says(t, 1, "Patient cannot be loaded here", "1 of 2 resources were not loaded")
	}
	if n := s.counted(t, "Basic?_id=b"); n != 1 {
		t.Errorf("%d of the others are found", n)
	}
	beginTool(t, bin, "review", "list", "--store", store).says(t, 0)
	beginTool(t, bin, "review", "list", "--store", store, "--chart", chart).says(t, 2, "the demo clinic's chart.yaml as it was then, and not with "+chart)
	s.Stop(t)
}

// loadIsBrokenOff kills one load and interrupts another, each when some of it is there.
func loadIsBrokenOff(t *testing.T, bin string) {
	store := "sqlite:" + t.TempDir()
	s := start(t, bin, "--auth", "off", "--store", store)
	stop := s.visitors(t)
	killed := s.loadSome(t, bin, store, basics(0, 1000, "some"), "some")
	small := filepath.Join(t.TempDir(), "small.json")
	if err := os.WriteFile(small, []byte(basics(0, 1, "small")), 0o600); err != nil {
		t.Fatal(err)
	}
	beginTool(t, bin, "load", "--store", store, small).says(t, 1, "load: one is under way already, since ")
	_ = killed.cmd.Process.Kill()
	killed.says(t, -1)
	if !patience.Until(func() bool { return beginTool(t, bin, "load", "--store", store, small).end(t) == 0 }) {
		t.Fatal("after a load was killed there can be no other")
	}
	there := func() int { return s.counted(t, "Basic?_lastUpdated=gt2000-01-01") }
	was := there()
	interrupted := s.loadSome(t, bin, store, basics(0, 1000, "some")+basics(5000, 1000, "more"), "more")
	if err := interrupted.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	interrupted.await(t)
	interrupted.says(t, 1, "What was loaded so far is kept; load again to go on")
	table := strings.Join(strings.Fields(interrupted.out.String()), " ")
	if created := there() - was; !strings.Contains(table, fmt.Sprintf(" Basic %d ", created)) {
		t.Errorf("%d were created, and it is said: %s", created, table)
	}
	stop()
	s.Stop(t)
}

// loadSome begins a load from standard input, and returns when some resources with a text are there.
func (p *process) loadSome(t *testing.T, bin, store, in, text string) *tool {
	t.Helper()
	load := beginTool(t, bin, "load", "--store", store, "-")
	if _, err := io.WriteString(load.in, in); err != nil {
		t.Fatal(err)
	}
	if !patience.Until(func() bool { return p.counted(t, "Basic?code:text="+text) > 0 }) {
		t.Fatal("nothing is loaded")
	}
	return load
}

// loadOutlivesServers kills one server and stops another while they load.
func loadOutlivesServers(t *testing.T, bin string) {
	store := "sqlite:" + t.TempDir()
	s := start(t, bin, "--auth", "off", "--store", store)
	first := s.loadSome(t, bin, store, basics(0, 1000, "some"), "some")
	s.Kill(t)
	first.says(t, 1, "load: ", "the server that has the store open has ended, or does not answer. What was loaded so far is kept; load again to go on")

	s = start(t, bin, "--auth", "off", "--store", store)
	second := s.loadSome(t, bin, store, basics(0, 1000, "some")+basics(5000, 1000, "more"), "more")
	s.Stop(t)
	second.await(t) // and not for what else may come in
	second.says(t, 1, "the server is stopping. What was loaded so far is kept; load again to go on")

	whole := filepath.Join(t.TempDir(), "whole.ndjson")
	if err := os.WriteFile(whole, []byte(basics(0, 1000, "some")+basics(5000, 1000, "more")), 0o600); err != nil {
		t.Fatal(err)
	}
	beginTool(t, bin, "load", "--store", store, whole).says(t, 0)
	s = start(t, bin, "--auth", "off", "--store", store)
	if some, more := s.counted(t, "Basic?code:text=some"), s.counted(t, "Basic?code:text=more"); some != 1000 || more != 1000 {
		t.Errorf("in the end there are %d and %d", some, more)
	}
	third := beginTool(t, bin, "load", "--store", store, whole)
	if third.says(t, 0); !strings.Contains(strings.Join(strings.Fields(third.out.String()), " "), "Basic 0 0 2000 0 0") {
		t.Errorf("once more: %s", &third.out)
	}
	s.Stop(t)
}

// othersGoOn gives a server another time zone, reindexes, and purges.
func othersGoOn(t *testing.T, bin string) {
	store, address := "sqlite:"+t.TempDir(), freeAddress(t)
	serve := func(zone string) *process {
		flags := append(program.Config(t, "search.timezone", zone), "--auth", "off", "--store", store, "--listen", address)
		return &process{startAgain(t, bin, flags)}
	}
	const n = 1000
	var dated strings.Builder
	for i := range n {
		fmt.Fprintf(&dated, `{"resourceType":"Observation","id":"o%d","status":"final","code":{"text":"pulse"},"effectiveDateTime":"2024-01-01"}`+"\n", i)
	}
	file := filepath.Join(t.TempDir(), "dated.ndjson")
	if err := os.WriteFile(file, []byte(dated.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve("UTC")
	beginTool(t, bin, "load", "--store", store, file).says(t, 0)
	s.Stop(t)
	s = serve("Asia/Tokyo")
	stop := s.visitors(t)
	const inTokyo = "Observation?date=lt2024-01-01T00:00:00Z"
	if found := s.counted(t, inTokyo); found != 0 {
		t.Errorf("before reindexing %d are found", found)
	}
	beginTool(t, bin, "reindex", "--store", store, "--timezone", "UTC").says(t, 2, "was started with --timezone Asia/Tokyo, and not UTC")
	killed := beginTool(t, bin, "reindex", "--store", store) // perhaps it is done before
	_ = killed.cmd.Process.Kill()
	killed.end(t)
	if !patience.Until(func() bool { return beginTool(t, bin, "reindex", "--store", store).end(t) == 0 }) {
		t.Fatal("after a reindexing was killed there can be no other")
	}
	if found := s.counted(t, inTokyo); found != n {
		t.Errorf("after reindexing %d of %d are found", found, n)
	}
	again := beginTool(t, bin, "reindex", "--store", store, "--type", "Observation")
	if again.says(t, 0); again.out.String() != fmt.Sprintf("%d records, 0 of them with new entries\n", n) {
		t.Errorf("once more: %s", &again.out)
	}
	beginTool(t, bin, "purge", "--store", store, "--before", "0s").says(t, 0)
	stop()
	beginTool(t, bin, "purge", "--store", store, "--before", "0s", "--type", "Patient").says(t, 0)
	if res, body := s.exchange(t, http.MethodGet, s.Base+"/Patient/v0/_history", ""); res.StatusCode != http.StatusOK || strings.Count(body, `"fullUrl"`) != 1 {
		t.Errorf("what is left of a history: %s", body)
	}
	if found := s.counted(t, "AuditEvent?action=D"); found != 2 {
		t.Errorf("%d AuditEvents of 2 purges", found)
	}
	s.Stop(t)
}
