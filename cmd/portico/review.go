package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/review"
	"github.com/portico-fhir/portico/fhir/search"
)

// reviews decides about what waits for review.
func reviews(ctx context.Context, args []string, env func(string) string, std streams) error {
	return do(ctx, "review", []deed{
		{"list", "[--chart FILE]", reviewList},
		{"show", "ID [--chart FILE]", reviewShow},
		{"accept", "ID [--chart FILE] [--reason TEXT]", reviewAccept},
		{"reject", "ID [--chart FILE] [--reason TEXT]", reviewReject},
	}, args, env, std)
}

// reviewing is what all errands about reviews need to know: the EHR's chart map, by which the changes are made.
type reviewing struct {
	following

	Stated stated
	config Config // without a server
}

// flags reads the command line of an errand about reviews.
func (r *reviewing) flags(f *flag.FlagSet, args []string, wants string, env func(string) string, std streams) (at StoreConfig, id string, done bool, err error) {
	r.config = defaultConfig()
	c := &r.config
	f.StringVar(&c.Chart, "chart", "", "chart map `file`; that of the server, when one runs on an embedded store")
	f.BoolVar(&c.Demo, "demo", false, "the demo clinic's chart map")
	f.StringVar(&c.BaseURL, "base-url", "http://localhost:8080", "`URL` under which clients reach the server")
	at, id, done, err = place(f, args, wants, env, std)
	if err == nil && !done {
		r.Stated, err = whatIsStated(f, c)
	}
	return at, strings.TrimPrefix(id, "Task/"), done, err
}

// open gives what is behind the chart map, for staff.
func (r *reviewing) open(ctx context.Context, o *office) (context.Context, *review.Repository, error) {
	types, _, err := o.resources(r.config, r.Stated)
	switch {
	case err != nil:
		return nil, nil, err
	case types.Mapped == nil:
		return nil, nil, usageError{errors.New("give the chart map with --chart, or --demo")}
	}
	return commit.As(ctx, commit.Actor{Role: "staff"}), &review.Repository{Repository: types}, nil
}

// listReviews lists what waits.
type listReviews struct{ reviewing }

func reviewList(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	e := &listReviews{}
	at, _, done, err := e.flags(f, args, "", env, std)
	if err != nil || done {
		return err
	}
	return dispatch(ctx, at, f.Name(), e, std)
}

func (e *listReviews) carryOut(ctx context.Context, o *office) (string, error) {
	ctx, repo, err := e.open(ctx, o)
	if err != nil {
		return "", err
	}
	p := search.Parser{Describe: repo.Describe, DefaultCount: 100, MaxCount: 100}
	open := "requested,received,on-hold"
	req, err := p.Parse("Task", []search.Pair{{Name: "code", Value: review.System + "|" + review.Code}, {Name: "status", Value: open}, {Name: "_sort", Value: "authored-on"}}, false, "")
	if err != nil {
		return "", err
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSINCE\tSTATUS\tWHAT\tELEMENTS\tBY")
	for q := req.Query; ; {
		page, err := repo.Search(ctx, q)
		if err != nil {
			return "", err
		}
		for _, res := range page.Resources {
			if p, ok := review.Read(res.Body); ok {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s %s\t%s\t%s\n", res.ID, p.Since, p.Status, p.Method, p.What(), strings.Join(p.Elements, ","), p.By())
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	err = w.Flush()
	return out.String(), err
}

// showReview prints what is proposed.
type showReview struct {
	reviewing

	ID string
}

func reviewShow(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	e := &showReview{}
	at, id, done, err := e.flags(f, args, "id", env, std)
	if err != nil || done {
		return err
	}
	e.ID = id
	return dispatch(ctx, at, f.Name(), e, std)
}

func (e *showReview) carryOut(ctx context.Context, o *office) (string, error) {
	ctx, repo, err := e.open(ctx, o)
	if err != nil {
		return "", err
	}
	p, _, err := proposalOf(ctx, repo, e.ID)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s, %s since %s, by %s\n", p.Method, p.What(), p.Status, p.Since, p.By())
	changes, err := p.Changes()
	for _, c := range changes {
		fmt.Fprintf(&out, "%s\n  - %s\n  + %s\n", c.Element, c.Was, c.Wanted)
	}
	return out.String(), err
}

// proposalOf reads a proposal and its Task.
func proposalOf(ctx context.Context, repo *review.Repository, id string) (p review.Proposal, res fhir.Resource, err error) {
	key := fhir.Key{Type: "Task", ID: id}
	res, err = repo.Read(ctx, key)
	var told *fhir.Error
	if err != nil && !errors.As(err, &told) {
		return p, res, err
	}
	var ok bool
	if p, ok = review.Read(res.Body); !ok {
		return p, res, fmt.Errorf("nothing waits as %s. All that waits is listed by: portico review list", key)
	}
	return p, res, nil
}

// decideReview accepts or rejects a proposal.
type decideReview struct {
	reviewing

	ID, Status, Reason string
}

func reviewAccept(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	return decideOn(ctx, f, args, env, std, "completed")
}

func reviewReject(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	return decideOn(ctx, f, args, env, std, "rejected")
}

func decideOn(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams, status string) error {
	e := &decideReview{Status: status}
	f.StringVar(&e.Reason, "reason", "", "why, for those who see the Task")
	at, id, done, err := e.flags(f, args, "id", env, std)
	if err != nil || done {
		return err
	}
	e.ID = id
	return dispatch(ctx, at, f.Name(), e, std)
}

func (e *decideReview) carryOut(ctx context.Context, o *office) (string, error) {
	ctx, repo, err := e.open(ctx, o)
	if err != nil {
		return "", err
	}
	p, res, err := proposalOf(ctx, repo, e.ID)
	if err != nil {
		return "", err
	}
	var task map[string]json.RawMessage
	if err := json.Unmarshal(res.Body, &task); err != nil {
		return "", fmt.Errorf("read the Task: %w", err)
	}
	set := func(name string, value any) {
		if text, failed := json.Marshal(value); failed == nil {
			task[name] = text
		} else {
			err = failed
		}
	}
	set("status", e.Status)
	if e.Reason != "" {
		set("statusReason", map[string]string{"text": e.Reason})
	}
	body, failed := json.Marshal(task)
	if err = errors.Join(err, failed); err != nil {
		return "", err
	}
	if _, err := repo.Commit(ctx, []fhir.Change{{Method: fhir.Put, Key: res.Key, Body: body, IfMatch: res.Version}}); err != nil {
		return "", err
	}
	done := "rejected"
	if e.Status == "completed" {
		done = "accepted, and written"
	}
	return fmt.Sprintf("%s: %s %s\n", done, p.Method, p.What()), nil
}
