package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/mongo"
	"github.com/portico-fhir/portico/store/sqlite"
)

// storeURI says where everything is kept. It may hold a password, and never
// shows it.
type storeURI string

// String gives the URI without what may be secret: user and password, and what
// options may carry.
func (u storeURI) String() string {
	if !u.isMongo() {
		return string(u)
	}
	parsed, err := url.Parse(string(u))
	if err != nil {
		return "mongodb://[redacted]"
	}
	if parsed.User != nil {
		parsed.User = url.User("redacted")
	}
	if parsed.RawQuery != "" {
		parsed.RawQuery = "redacted"
	}
	return parsed.String()
}

// MarshalYAML implements yaml.Marshaler for -check-config.
func (u storeURI) MarshalYAML() (any, error) { return u.String(), nil }

func (u storeURI) isMongo() bool {
	return strings.HasPrefix(string(u), "mongodb://") || strings.HasPrefix(string(u), "mongodb+srv://")
}

// settle is how long after its stamp a version that another process writes may come to
// light: MongoDB ends a transaction after a minute, and clocks differ. The other
// stores have one process.
func (c StoreConfig) settle() time.Duration {
	if c.URI.isMongo() {
		return 75 * time.Second
	}
	return 0
}

func (u storeURI) known() bool {
	dir, isSQLite := strings.CutPrefix(string(u), "sqlite:")
	return u.isMongo() || u == "memory:" || (isSQLite && dir != "")
}

// openStore opens the store that the configuration names, and makes sure that
// this version can read the records in it.
func openStore(ctx context.Context, c StoreConfig, log *slog.Logger) (store.Store, error) {
	return openStoreWith(ctx, c, sqlite.Options{Log: log})
}

// openStoreWith is openStore with options for the embedded store, if it is that one.
func openStoreWith(ctx context.Context, c StoreConfig, opts sqlite.Options) (store.Store, error) {
	st, err := openBackend(ctx, c, opts)
	if err != nil {
		return nil, err
	}
	if err := record.CheckFormat(ctx, st); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store %s: %w", c.URI, err), st.Close())
	}
	return st, nil
}

func openBackend(ctx context.Context, c StoreConfig, opts sqlite.Options) (store.Store, error) {
	switch dir, isSQLite := strings.CutPrefix(string(c.URI), "sqlite:"); {
	case c.URI == "memory:":
		return memory.New(), nil
	case isSQLite:
		st, err := sqlite.Open(dir, opts)
		if err != nil {
			return nil, fmt.Errorf("open the store %s: %w", c.URI, err)
		}
		return st, nil
	default:
		st, err := mongo.Open(ctx, string(c.URI), mongo.Options{Dev: c.MongoDev, AllowDDL: c.AllowDDL, Timeout: c.Timeout})
		if err != nil {
			return nil, fmt.Errorf("open the store %s: %w", c.URI, err)
		}
		return st, nil
	}
}
