package main

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/conformance/suite"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store/mongo"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// built builds the program.
func built(t *testing.T) (bin string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program")
	}
	bin, err := program.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// TestEndToEnd builds the real program, starts it as a user would, and looks at
// it from outside.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	bin := built(t)
	t.Run("conformance on sqlite", func(t *testing.T) {
		t.Parallel()
		p := start(t, bin, "--demo", "--auth", "off", "--store", "sqlite:"+t.TempDir())
		suite.Run(t, p.Base)
	})
	t.Run("conformance on memory", func(t *testing.T) {
		t.Parallel()
		p := start(t, bin, "--demo", "--auth", "off", "--store", "memory:")
		suite.Run(t, p.Base)
	})
	t.Run("conformance where all types are records", func(t *testing.T) {
		t.Parallel()
		p := start(t, bin, "--auth", "off", "--store", "sqlite:"+t.TempDir())
		suite.Run(t, p.Base)
	})
	t.Run("conformance where writes may more, and must more", func(t *testing.T) {
		t.Parallel()
		config := program.Config(t, "write", "{ conditional-delete: multiple, purge: true, reference-policy: { types: { Basic: enforced } } }")
		p := start(t, bin, append(config, "--auth", "off", "--store", "sqlite:"+t.TempDir())...)
		suite.Run(t, p.Base, "Basic", "Appointment")
	})
	t.Run("conformance on MongoDB, with the EHR in a database of its own", func(t *testing.T) {
		t.Parallel()
		uri := mongotest.URI(t)
		ehr := mongotest.Database(t, uri)
		fillMongo(t, uri, ehr)
		chart := filepath.Join(t.TempDir(), "chart.yaml")
		text := strings.Replace(string(clinic.ChartMap()), "database: "+clinic.Database, "database: "+ehr, 1)
		if err := os.WriteFile(chart, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := start(t, bin, "--auth", "off", "--store", uri, "--chart", chart)
		var types []string
		if !mongotest.Real() {
			// The server that tests start has no $or within $elemMatch, which some
			// searches on other types need, and takes minutes for Observation.
			types = []string{"Appointment", "Basic", "MedicationRequest"}
		}
		suite.Run(t, p.Base, types...)
	})
	t.Run("the searches of US Core", func(t *testing.T) {
		t.Parallel()
		dir := "sqlite:" + t.TempDir()
		if out, err := exec.CommandContext(t.Context(), bin, "load", "--store", dir, "testdata/uscore.ndjson").CombinedOutput(); err != nil {
			t.Fatalf("load: %v\n%s", err, out)
		}
		p := start(t, bin, "--auth", "off", "--store", dir)
		if untried := suite.USCore(t, p.Base); len(untried) > 0 {
			t.Errorf("testdata/uscore.ndjson has nothing for %q", untried)
		}
	})
	t.Run("the searches of US Core that the demo clinic answers", func(t *testing.T) {
		t.Parallel()
		suite.USCore(t, start(t, bin, "--demo", "--auth", "off", "--store", "sqlite:"+t.TempDir()).Base)
	})
	t.Run("hostile searches leave memory as it was", func(t *testing.T) {
		t.Parallel()
		p := start(t, bin, "--demo", "--auth", "off", "--store", "sqlite:"+t.TempDir())
		// How far the heap grows before it is collected is a matter of time and chance, but
		// not of how often the same is asked: sooner or later the peak stays.
		suite.Hostile(t, p.Base)
		first := p.Peak(t)
		for range 10 {
			before := p.Peak(t)
			for range 10 {
				suite.Hostile(t, p.Base)
			}
			if p.Peak(t) <= before+32<<20 {
				return
			}
		}
		t.Errorf("the peak of %d MB became %d MB", first>>20, p.Peak(t)>>20)
	})
	t.Run("the clinic's documents take writes", func(t *testing.T) {
		t.Parallel()
		writesOfTheClinic(t, program.Start(t, bin, "--demo", "--auth", "off", "--store", "sqlite:"+t.TempDir()))
	})
	t.Run("the tour of the README works", func(t *testing.T) {
		t.Parallel()
		tour(t, start(t, bin, "--demo", "--store", "sqlite:"+t.TempDir()))
	})
	t.Run("SIGTERM ends it cleanly, and what was acknowledged is there after a restart", func(t *testing.T) {
		t.Parallel()
		dir := "sqlite:" + t.TempDir()
		p := start(t, bin, "--demo", "--auth", "off", "--store", dir)
		location := p.create(t)
		p.Stop(t)
		p = start(t, bin, "--demo", "--auth", "off", "--store", dir)
		p.get(t, p.Base+location)
	})
	t.Run("G8.6 a job that kill -9 breaks off is carried out once", func(t *testing.T) {
		t.Parallel()
		dir := "sqlite:" + t.TempDir()
		for _, kind := range []string{"transaction", "batch"} {
			p := start(t, bin, "--auth", "off", "--store", dir)
			const entries = 400
			entry := `{"resource":{"resourceType":"Basic","code":{"text":"` + kind + `"}},"request":{"method":"POST","url":"Basic"}}`
			body := `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Repeat(entry+",", entries-1) + entry + `]}`
			res, _ := p.exchange(t, http.MethodPost, p.Base, body, "Prefer", "respond-async")
			at := strings.TrimPrefix(res.Header.Get("Content-Location"), p.Base)
			if res.StatusCode != http.StatusAccepted || at == "" {
				t.Fatal(res.Status)
			}
			for range 2 { // sometimes before, sometimes while it is carried out
				time.Sleep(20 * time.Millisecond)
				p.Kill(t)
				p = start(t, bin, "--auth", "off", "--store", dir)
			}
			text := ""
			patience.Until(func() bool {
				res, text = p.exchange(t, http.MethodGet, p.Base+at, "")
				return res.StatusCode == http.StatusOK
			})
			if n := strings.Count(text, "201 Created"); n != entries {
				t.Errorf("%s: %d of %d entries are created: %.300s", kind, n, entries, text)
			}
			_, text = p.exchange(t, http.MethodGet, p.Base+"/Basic?_summary=count", "")
			if kind == "transaction" && !strings.Contains(text, `"total":`+strconv.Itoa(entries)) {
				t.Errorf("after a %s there are %s", kind, text)
			}
			if kind == "batch" && !strings.Contains(text, `"total":`+strconv.Itoa(2*entries)) {
				t.Errorf("after a %s there are %s", kind, text)
			}
			p.Stop(t)
		}
	})
	t.Run("kill -9 loses nothing that was acknowledged", func(t *testing.T) {
		t.Parallel()
		dir := "sqlite:" + t.TempDir()
		p := start(t, bin, "--demo", "--auth", "off", "--store", dir)
		location := p.create(t)
		p.Kill(t)
		p = start(t, bin, "--demo", "--auth", "off", "--store", dir)
		p.get(t, p.Base+location)
	})
}

// tour sends the GET requests of the README, with the token that it gets. Each finds
// something, but those that the next line says are refused.
func tour(t *testing.T, p *process) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	steps := regexp.MustCompile(`(?m)^get '([^']+)'.*\n(# \d+)?`).FindAllStringSubmatch(string(readme), -1)
	if len(steps) < 3 {
		t.Fatalf("found only %d requests in the README", len(steps))
	}
	_, body := p.exchange(t, http.MethodPost, strings.TrimSuffix(p.Base, "/fhir")+"/auth/token", "grant_type=client_credentials&scope=system/*.cruds",
		"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("demo-script:"+demoSecret)))
	_, token, _ := strings.Cut(body, `"access_token":"`)
	token, _, _ = strings.Cut(token, `"`)
	for _, step := range steps {
		want := http.StatusOK
		if refused, ok := strings.CutPrefix(step[2], "# "); ok {
			want, _ = strconv.Atoi(refused)
		}
		res, body := p.exchange(t, http.MethodGet, p.Base+"/"+step[1], "", "Authorization", "Bearer "+token)
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d: %.300s", step[1], res.StatusCode, want, body)
		}
		if strings.Contains(body, `"searchset"`) && !strings.Contains(strings.ReplaceAll(body, " ", ""), `"mode":"match"`) {
			t.Errorf("%s finds nothing", step[1])
		}
	}
}

// fillMongo puts the clinic's documents where an EHR would have them.
func fillMongo(t *testing.T, uri, database string) {
	t.Helper()
	st, err := mongo.Open(t.Context(), uri, mongo.Options{AllowDDL: true, Timeout: patience.Limit})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fillDemo(t.Context(), st, database), st.Close()); err != nil {
		t.Fatal(err)
	}
}

// process is a running portico serve.
type process struct{ *program.Server }

// start returns when the server is ready. It is stopped after the test.
func start(t *testing.T, bin string, flags ...string) *process {
	t.Helper()
	return &process{program.Start(t, bin, flags...)}
}

// create posts a resource and gives its place below the base.
func (p *process) create(t *testing.T) string {
	t.Helper()
	res := p.do(t, http.MethodPost, p.Base+"/Basic", `{"resourceType":"Basic","code":{"text":"kept"}}`)
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("create: %d", res.StatusCode)
	}
	return strings.TrimPrefix(res.Header.Get("Location"), p.Base)
}

func (p *process) get(t *testing.T, url string) {
	t.Helper()
	if res := p.do(t, http.MethodGet, url, ""); res.StatusCode != http.StatusOK {
		t.Errorf("GET %s: %d", url, res.StatusCode)
	}
}

func (p *process) do(t *testing.T, method, url, body string) *http.Response {
	t.Helper()
	res, _ := p.exchange(t, method, url, body)
	return res
}

func (p *process) exchange(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(answer)
}
