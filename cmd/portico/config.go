package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir/rest"
)

// Config is everything that can be configured, one struct per component.
// Values come from the defaults, then the file, then the environment, then the flags.
// docs/config.md explains every key.
type Config struct {
	Listen  string        `yaml:"listen"`
	BaseURL string        `yaml:"base-url"`
	Chart   string        `yaml:"chart"`
	Auth    string        `yaml:"auth"`
	Demo    bool          `yaml:"demo"`
	Memory  int64         `yaml:"memory"`
	Store   StoreConfig   `yaml:"store"`
	HTTP    HTTPConfig    `yaml:"http"`
	Search  SearchConfig  `yaml:"search"`
	Write   WriteConfig   `yaml:"write"`
	Jobs    JobsConfig    `yaml:"jobs"`
	SMART   SMARTConfig   `yaml:"smart"`
	Metrics MetricsConfig `yaml:"metrics"`
	Log     LogConfig     `yaml:"log"`
}

// StoreConfig says where everything is kept.
type StoreConfig struct {
	URI      storeURI      `yaml:"uri"`
	MongoDev bool          `yaml:"mongo-dev"`
	AllowDDL bool          `yaml:"allow-ddl"`
	Timeout  time.Duration `yaml:"timeout"`
}

// HTTPConfig bounds requests, and says whom to believe and to open up to.
type HTTPConfig struct {
	Origins       []string       `yaml:"origins"`
	Proxies       []netip.Prefix `yaml:"proxies"`
	MaxBody       int64          `yaml:"max-body"`
	MaxBundle     int64          `yaml:"max-bundle"`
	MaxEntries    int            `yaml:"max-entries"`
	MaxForm       int64          `yaml:"max-form"`
	MaxHeader     int            `yaml:"max-header"`
	MaxInFlight   int64          `yaml:"max-in-flight"`
	Timeout       time.Duration  `yaml:"timeout"`
	HeaderTimeout time.Duration  `yaml:"header-timeout"`
	ReadTimeout   time.Duration  `yaml:"read-timeout"`
	WriteTimeout  time.Duration  `yaml:"write-timeout"`
	IdleTimeout   time.Duration  `yaml:"idle-timeout"`
	DrainDelay    time.Duration  `yaml:"drain-delay"`
	DrainTimeout  time.Duration  `yaml:"drain-timeout"`
}

// SearchConfig bounds pages and says what can be searched.
type SearchConfig struct {
	DefaultCount int    `yaml:"default-count"`
	MaxCount     int    `yaml:"max-count"`
	Timezone     string `yaml:"timezone"`
	Text         bool   `yaml:"text"`
}

// MetricsConfig says where Prometheus finds /metrics; empty: nowhere.
type MetricsConfig struct {
	Listen string `yaml:"listen"`
}

// LogConfig says how much is logged: debug, info, warn or error.
type LogConfig struct {
	Level slog.Level `yaml:"level"`
}

// The values of Config.Auth.
const (
	authSMART = "smart"
	authOff   = "off"
)

func defaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:8080",
		Memory: rest.DefaultMemory,
		Store:  StoreConfig{URI: "sqlite:./portico-data", Timeout: 10 * time.Second},
		HTTP: HTTPConfig{
			MaxBody: 16 << 20, MaxBundle: 32 << 20, MaxEntries: 5000, MaxForm: 256 << 10, MaxHeader: 32 << 10, MaxInFlight: 512,
			Timeout: 30 * time.Second, HeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second,
			WriteTimeout: 120 * time.Second, IdleTimeout: 120 * time.Second, DrainTimeout: 30 * time.Second,
		},
		Write:  defaultWrite(),
		Jobs:   defaultJobs(),
		SMART:  defaultSMART(),
		Auth:   authSMART,
		Search: SearchConfig{DefaultCount: 20, MaxCount: 1000, Timezone: "UTC", Text: true},
	}
}

// goType is how the YAML package names the struct of an unknown key; users
// need the key only.
var goType = regexp.MustCompile(` in type [\w.]+`)

// read applies a configuration file. Unknown keys are refused with their line.
func (c *Config) read(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	var bad *yaml.TypeError
	switch err := d.Decode(c); {
	case errors.Is(err, io.EOF): // an empty file changes nothing
		return nil
	case errors.As(err, &bad):
		lines := make([]string, len(bad.Errors))
		for i, e := range bad.Errors {
			lines[i] = path + ": " + goType.ReplaceAllString(e, "")
		}
		return errors.New(strings.Join(lines, "; "))
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Validate reports all faults at once.
func (c *Config) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	_, _, err := net.SplitHostPort(c.Listen)
	check(err == nil, "listen must be host:port, as 127.0.0.1:8080")
	if c.Metrics.Listen != "" {
		_, _, err = net.SplitHostPort(c.Metrics.Listen)
		check(err == nil, "metrics.listen must be host:port, as 127.0.0.1:9090")
	}
	check(c.BaseURL == "" || validBase(c.BaseURL), "base-url must be http(s)://host[:port][/path] without a query and without a slash at the end")
	check(c.Auth == authOff || c.Auth == authSMART, "auth must be smart or off")
	check((c.Auth != authOff && !c.Demo) || rest.IsLoopback(c.Listen),
		"with --auth off everybody may do everything, and the passwords of --demo are known to all, so that only a loopback address can be listened on, not %s. Use 127.0.0.1:8080", c.Listen)
	check(c.open() || c.BaseURL == "" || strings.HasPrefix(c.BaseURL, "https://") || rest.IsLoopback(c.hostOfBase()),
		"base-url must be https://…: without TLS, everybody on the way could read tokens and passwords. A proxy in front of Portico ends TLS")
	check(c.Store.URI.known(), "store must be sqlite:DIR, mongodb://HOST/DATABASE or memory:")
	check(c.Search.DefaultCount > 0 && c.Search.DefaultCount <= c.Search.MaxCount, "search.default-count must be 1 to search.max-count")
	check(c.Search.MaxCount <= 10_000, "search.max-count must be at most 10000")
	_, err = time.LoadLocation(c.Search.Timezone)
	check(err == nil, "search.timezone %q is not known; take a name as Europe/Oslo", c.Search.Timezone)
	for _, o := range c.HTTP.Origins {
		check(o == "*" || validOrigin(o), "http.origins: %q must be * or scheme://host[:port]", o)
	}
	h := c.HTTP
	check(h.MaxBody > 0 && h.MaxBundle > 0 && h.MaxEntries > 0 && h.MaxForm > 0 && h.MaxHeader > 0 && h.MaxInFlight > 0, "http: every limit must be more than 0")
	for _, d := range []time.Duration{h.Timeout, h.HeaderTimeout, h.ReadTimeout, h.WriteTimeout, h.IdleTimeout, h.DrainTimeout, c.Store.Timeout} {
		check(d > 0, "every timeout must be more than 0")
	}
	check(c.Memory >= memoryParts*max(h.MaxBody, h.MaxBundle), "memory must be at least %d times http.max-body and http.max-bundle", memoryParts)
	check(h.DrainDelay >= 0, "http.drain-delay must not be negative")
	c.Jobs.validate(check)
	c.Write.validate(c.open() || len(c.SMART.Operators) > 0, check)
	c.SMART.validate(check)
	return errors.Join(faults...)
}

// memoryParts is how much larger than the largest body the memory has to be: what is
// made of a body takes several times its size.
const memoryParts = 24

// hostOfBase is the host of the base URL, empty when that cannot be parsed.
func (c *Config) hostOfBase() string {
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		return ""
	}
	return u.Host
}

func validBase(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil &&
		u.RawQuery == "" && u.Fragment == "" && !strings.HasSuffix(s, "/")
}

func validOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && u.Scheme+"://"+u.Host == s
}

// redacted is the configuration as YAML, without secrets.
func (c Config) redacted() ([]byte, error) { return yaml.Marshal(c) }

// limits are those of the HTTP edge.
func (c *Config) limits() rest.Limits {
	h := c.HTTP
	return rest.Limits{
		Memory: c.Memory,
		Body:   h.MaxBody, Bundle: h.MaxBundle, Entries: h.MaxEntries, Form: h.MaxForm, Header: h.MaxHeader, InFlight: h.MaxInFlight,
		Timeout: h.Timeout, ReadHeader: h.HeaderTimeout, Read: h.ReadTimeout, Write: h.WriteTimeout, Idle: h.IdleTimeout,
		DrainDelay: h.DrainDelay, Drain: h.DrainTimeout,
	}
}
