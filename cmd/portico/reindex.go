package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/sqlite"
)

// tellEvery is how often progress is shown.
const tellEvery = 2 * time.Second

// reindexing makes the index entries of records again.
type reindexing struct {
	lasting

	Types  []fhir.Type // none: all
	Stated stated
	config Config // without a server
}

// reindex makes the index entries of records again.
func reindex(ctx context.Context, args []string, env func(string) string, std streams) error {
	e := &reindexing{config: defaultConfig()}
	c := &e.config
	f := newFlags("reindex")
	f.StringVar(&c.BaseURL, "base-url", "http://localhost:8080", "`URL` under which clients reach the server: references below it are local")
	f.StringVar(&c.Search.Timezone, "timezone", c.Search.Timezone, "`zone` of dates without one, search.timezone of the server's configuration")
	f.BoolVar(&c.Search.Text, "text", c.Search.Text, "index the words of full text, search.text of the server's configuration")
	types := f.String("type", "", "comma-separated resource `types`; all by default")
	at, _, done, err := place(f, args, "", env, std)
	if err != nil || done {
		return err
	}
	if e.Types, err = typeList(*types); err != nil {
		return err
	}
	if _, err := c.location(); err != nil {
		return usageError{fmt.Errorf("reindex: %w", err)}
	}
	if e.Stated, err = whatIsStated(f, c); err != nil {
		return err
	}
	return dispatch(ctx, at, f.Name(), e, std)
}

// open opens a store whatever the layout of its records is.
func (*reindexing) open(ctx context.Context, at StoreConfig, opts sqlite.Options) (store.Store, error) {
	return openBackend(ctx, at, opts)
}

func (e *reindexing) carryOut(ctx context.Context, o *office) (string, error) {
	records, err := o.records(e.config, e.Stated)
	if err != nil {
		return "", err
	}
	progress := every(tellEvery, func(d record.Reindexed) {
		o.tell(fmt.Sprintf("%s: %d records so far, %d of them with new entries", d.Type, d.Records, d.Changed))
	})
	if o.serves() {
		progress = record.Gently(ctx, progress)
	}
	done, err := records.Reindex(ctx, e.Types, progress)
	if err != nil {
		return "", fmt.Errorf("%w, after %d records. What was reindexed so far is kept; run it again to go on", why(ctx, err), done.Records)
	}
	return fmt.Sprintf("%d records, %d of them with new entries\n", done.Records, done.Changed), nil
}

// why is the error of what was broken off, instead of what came of that.
func why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func typeList(s string) ([]fhir.Type, error) {
	if s == "" {
		return nil, nil
	}
	var types []fhir.Type
	for name := range strings.SplitSeq(s, ",") {
		if t := fhir.Type(name); !t.Valid() {
			return nil, usageError{fmt.Errorf("there is no resource type %q", name)}
		}
		types = append(types, fhir.Type(name))
	}
	return types, nil
}
