package review

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
)

const (
	completed = "completed"
	rejected  = "rejected"
)

// statuses are those that a proposal may have.
var statuses = []string{"requested", "received", "on-hold", completed, rejected}

// changeable are the elements of a proposal that its readers may write.
var changeable = []string{"id", "meta", "text", "status", "statusReason", "businessStatus", "owner", "note", "lastModified"}

// decision is an acceptance: the change of the Task, and what is carried out with it.
type decision struct {
	place int // of the Task among the changes
	Proposal
}

// decisions looks for changes of proposals. It gives the changes as they are to be carried out, and the
// proposal that is accepted, if one is.
func (r *Repository) decisions(ctx context.Context, changes []fhir.Change) ([]fhir.Change, *decision, error) {
	var accepted *decision
	out := changes
	for i, c := range changes {
		if c.Key.Type != "Task" {
			continue
		}
		p, version, err := r.stored(ctx, c.Key)
		if err != nil {
			return nil, nil, err
		}
		if p == nil {
			if _, forged := Read(c.Body); forged {
				return nil, nil, fhir.Errorf(fhir.CodeForbidden, "Task.code", "A proposal is made by writing what is proposed.")
			}
			continue
		}
		if a, ok := commit.ActorOf(ctx); ok && (a.Role == "patient" || a.Role == "proxy") {
			return nil, nil, fhir.Errorf(fhir.CodeForbidden, "Task", "The clinic decides about this.")
		}
		takes, err := decide(p, c)
		if err != nil {
			return nil, nil, err
		}
		if c.IfMatch == "" {
			out = slices.Clone(out)
			out[i].IfMatch = version
		}
		if takes && (accepted != nil || len(changes) > 1) {
			return nil, nil, fhir.Errorf(fhir.CodeBusinessRule, "Task.status", "A proposal is accepted alone, not together with other changes.")
		}
		if takes {
			accepted = &decision{i, p.Proposal}
		}
	}
	return out, accepted, nil
}

type storedProposal struct {
	Proposal
	body []byte
}

// stored reads a proposal and its version; nil where the Task is none.
func (r *Repository) stored(ctx context.Context, key fhir.Key) (*storedProposal, string, error) {
	if key.ID == "" {
		return nil, "", nil
	}
	res, err := r.Read(ctx, key)
	if fhir.Is(err, fhir.CodeNotFound, fhir.CodeDeleted) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	p, ok := Read(res.Body)
	if !ok {
		return nil, "", nil
	}
	return &storedProposal{p, res.Body}, res.Version, nil
}

// decide holds a change of a proposal against what may be done with one, and reports whether it accepts it.
func decide(p *storedProposal, c fhir.Change) (accepts bool, err error) {
	if c.Method == fhir.Delete {
		return false, fhir.Errorf(fhir.CodeBusinessRule, "Task", "A proposal is rejected, not deleted.")
	}
	was, err := members(p.body)
	if err != nil {
		return false, err
	}
	is, err := members(c.Body)
	if err != nil {
		return false, err
	}
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !slices.Contains(changeable, strings.TrimPrefix(name, "_")) && !reflect.DeepEqual(was[name], is[name]) {
			return false, fhir.Errorf(fhir.CodeBusinessRule, "Task."+name, "A proposal can be accepted (status completed) or rejected, and nothing else of it changed.")
		}
	}
	status, _ := is["status"].(string)
	switch {
	case status == p.Status:
		return false, nil
	case p.Status == completed || p.Status == rejected:
		return false, fhir.Errorf(fhir.CodeBusinessRule, "Task.status", "This was decided: it is %s.", p.Status)
	case !slices.Contains(statuses, status):
		return false, fhir.Errorf(fhir.CodeBusinessRule, "Task.status", "A proposal is one of %s.", strings.Join(statuses, ", "))
	}
	return status == completed, nil
}

// commit carries out what was proposed together with the change of its Task. It is done anew when the EHR
// was faster.
func (d *decision) commit(ctx context.Context, inner fhir.Repository, changes []fhir.Change) ([]fhir.Result, error) {
	for attempt := 0; ; attempt++ {
		if err := commit.Pause(ctx, attempt); err != nil {
			return nil, err
		}
		change, err := d.change(ctx, inner)
		if err != nil {
			return nil, err
		}
		task := changes[d.place]
		task.Finish = func(before []fhir.Result) ([]byte, error) { return withOutput(task.Body, before, d.Of.Type) }
		acting := commit.Approve(commit.As(ctx, d.actor))
		own := func(results []fhir.Result) []fhir.Result { return results[1:] }
		results, err := inner.Commit(commit.Instead(acting, own), []fhir.Change{change, task})
		if err == nil {
			return own(results), nil
		}
		var blamed *commit.Blamed
		if errors.As(err, &blamed) { // which counts the changes that are made here
			err = blamed.Err
		}
		const attempts = 5
		if now, again := inner.Read(asSystem(ctx), change.Key); again != nil || now.Version == change.IfMatch || change.IfMatch == "" || attempt == attempts {
			return nil, err
		}
	}
}

// asSystem reads past release rules.
func asSystem(ctx context.Context) context.Context {
	return commit.As(ctx, commit.Actor{Role: "system"})
}

// change makes the change of the EHR, on what it has now.
func (d *decision) change(ctx context.Context, inner fhir.Repository) (fhir.Change, error) {
	c := fhir.Change{Method: fhir.Create, Key: fhir.Key{Type: d.Of.Type}, Body: d.content}
	if d.Method == "create" {
		return c, nil
	}
	now, err := inner.Read(asSystem(ctx), d.Of)
	switch {
	case fhir.Is(err, fhir.CodeNotFound, fhir.CodeDeleted):
		return c, fhir.Errorf(fhir.CodeBusinessRule, "Task.focus", "%s is no more. Reject the proposal.", d.Of)
	case err != nil:
		return c, err
	}
	c = fhir.Change{Method: fhir.Put, Key: d.Of, IfMatch: now.Version}
	if d.Method == "delete" {
		c.Method = fhir.Delete
		_, err = merge(d.basis, d.basis, now.Body) // nothing is to be lost that nobody has seen
		return c, err
	}
	c.Body, err = merge(d.basis, d.content, now.Body)
	return c, err
}

// merge gives what now is with the elements that content has otherwise than basis. Those must still be what
// they were; where content and basis are the same, all must.
func merge(basis, content, now []byte) ([]byte, error) {
	was, err1 := members(basis)
	wanted, err2 := members(content)
	is, err3 := members(now)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	whole := bytes.Equal(basis, content)
	names := maps.Clone(was)
	maps.Copy(names, wanted)
	var lost []string
	for name := range names {
		if name == "id" || name == "meta" || !whole && reflect.DeepEqual(was[name], wanted[name]) {
			continue
		}
		if !reflect.DeepEqual(is[name], was[name]) && !reflect.DeepEqual(is[name], wanted[name]) {
			lost = append(lost, name)
			continue
		}
		if v, ok := wanted[name]; ok {
			is[name] = v
		} else {
			delete(is, name)
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		return nil, fhir.Errorf(fhir.CodeBusinessRule, "Task.status", "The EHR has changed this since it was proposed: %s. Reject the proposal, and let it be made anew.", strings.Join(lost, ", "))
	}
	body, err := json.Marshal(is)
	if err != nil {
		return nil, fmt.Errorf("review: make a resource: %w", err)
	}
	return body, nil
}

// withOutput adds to a Task what became of the proposal.
func withOutput(body []byte, before []fhir.Result, typ fhir.Type) ([]byte, error) {
	i := slices.IndexFunc(before, func(r fhir.Result) bool { return r.Resource.Type == typ })
	end := bytes.LastIndexByte(body, '}')
	if i < 0 || end < 0 {
		return nil, errors.New("review: the change was not planned before its Task")
	}
	out := append([]byte(nil), body[:end]...)
	out = append(out, `,"output":[{"type":{"text":"result"},"valueReference":{"reference":"`...)
	out = append(append(out, before[i].Resource.Key.String()...), `"}}]}`...)
	return out, nil
}
