package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/portico-fhir/portico/cmd/portico/desk"
	"github.com/portico-fhir/portico/fhir/explain"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/rest"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/store"
)

// office is where an errand is carried out: that of a server, or one for this errand alone over
// a store that the command has opened itself.
type office struct {
	store  store.Store
	log    *slog.Logger
	tell   func(text string) // shows a line to whoever waits
	config Config            // of the server; without one, only its Store

	// Of a server; zero without one.
	types  *router.Router
	server *rest.Server
	chart  string // of its chart map
	talk   *desk.Talk
}

// resources gives the resources of the server, if that is configured as the command line says; without
// a server, the resources as c has them.
func (o *office) resources(c Config, s stated) (*router.Router, Config, error) {
	if o.types != nil {
		return o.types, o.config, s.differs(o)
	}
	c.Store = o.config.Store
	types, err := repository(c, c.BaseURL+"/fhir", &explain.Store{Store: o.store}, o.log, nil)
	return types, c, err
}

// records gives Portico's own records, as resources does.
func (o *office) records(c Config, s stated) (*record.Repository, error) {
	types, _, err := o.resources(c, s)
	if err != nil {
		return nil, err
	}
	records, ok := types.Records.(*record.Repository)
	if !ok {
		return nil, errors.New("this server keeps no records of its own")
	}
	return records, nil
}

// serves reports whether others want something of the store meanwhile.
func (o *office) serves() bool { return o.types != nil }

// stated is what a command line says about how the server is configured: nil, or empty, where
// it says nothing.
type stated struct {
	BaseURL, Timezone *string `json:",omitempty"`
	Text, Demo        *bool   `json:",omitempty"`
	Chart, Sum        string  `json:",omitempty"` // the chart map's file, and its chartSum
}

// whatIsStated finds what was said by flags that were read into c.
func whatIsStated(f *flag.FlagSet, c *Config) (s stated, err error) {
	f.Visit(func(given *flag.Flag) {
		switch given.Name {
		case "base-url":
			s.BaseURL = &c.BaseURL
		case "timezone":
			s.Timezone = &c.Search.Timezone
		case "text":
			s.Text = &c.Search.Text
		case "demo":
			s.Demo = &c.Demo
		case "chart":
			s.Chart = c.Chart
		}
	})
	if s.Chart != "" {
		s.Sum, err = c.chartSum()
	}
	return s, err
}

// chartSum tells chart maps apart by their content: a server may know the file by another path,
// and may have read it before it was changed. It is empty without one.
func (c *Config) chartSum() (string, error) {
	_, text, err := c.chartText()
	if text == nil || err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// differs is the error when the server of o is configured otherwise.
func (s stated) differs(o *office) error {
	c := &o.config
	all := differ(nil, "base-url", s.BaseURL, c.BaseURL)
	all = differ(all, "timezone", s.Timezone, c.Search.Timezone)
	all = differ(all, "text", s.Text, c.Search.Text)
	all = differ(all, "demo", s.Demo, c.Demo)
	switch {
	case s.Sum == "" || s.Sum == o.chart:
	case o.chart == "":
		all = append(all, "no chart map, and not with "+s.Chart)
	default:
		name, _, _ := c.chartText()
		all = append(all, fmt.Sprintf("%s as it was then, and not with %s", name, s.Chart))
	}
	if len(all) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("the server that has the store open was started with %s. Leave that out: what the server has counts; or start it anew", strings.Join(all, "; "))}
}

// differ adds what the server has when it is not what was said.
func differ[T comparable](all []string, flag string, said *T, has T) []string {
	if said == nil || *said == has {
		return all
	}
	return append(all, fmt.Sprintf("--%s %v, and not %v", flag, has, *said))
}

// every makes of f a function that calls it at most so often.
func every[T any](often time.Duration, f func(T)) func(T) {
	last := time.Now()
	return func(v T) {
		if time.Since(last) >= often {
			last = time.Now()
			f(v)
		}
	}
}
