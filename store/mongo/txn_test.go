package mongo

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
)

// script is a transaction whose steps fail as written down.
type script struct {
	body, commit []error // one per call; nil when used up
	log          []string
}

func (s *script) step(name string, errs *[]error) error {
	s.log = append(s.log, name)
	if len(*errs) == 0 {
		return nil
	}
	err := (*errs)[0]
	*errs = (*errs)[1:]
	return err
}

func (s *script) Start() error                                { s.log = append(s.log, "start"); return nil }
func (s *script) Abort()                                      { s.log = append(s.log, "abort") }
func (s *script) Commit(context.Context) error                { return s.step("commit", &s.commit) }
func (s *script) Context(ctx context.Context) context.Context { return ctx }

// labelled is a server's error with a label.
func labelled(code int32, labels ...string) error {
	return mongo.CommandError{Code: code, Name: "Test", Message: "secret value", Labels: labels}
}

func TestTransactionsAreRetriedByTheirLabels(t *testing.T) {
	t.Parallel()
	conflict := &store.OpError{Index: 2, Err: store.ErrConflict}
	tests := map[string]struct {
		body, commit []error
		log          []string
		want         error // nil: done
	}{
		"nothing fails": {
			log: []string{"start", "body", "commit"},
		},
		"a transient error repeats the whole": {
			body: []error{labelled(251, labelTransient), labelled(112)},
			log:  []string{"start", "body", "abort", "start", "body", "abort", "start", "body", "commit"},
		},
		"a failed precondition ends it": {
			body: []error{conflict},
			log:  []string{"start", "body", "abort"},
			want: store.ErrConflict,
		},
		"another error ends it": {
			body: []error{labelled(11600)},
			log:  []string{"start", "body", "abort"},
			want: store.ErrUnavailable,
		},
		"an unknown outcome repeats the commit only": {
			commit: []error{labelled(50, labelUnknownCommit), labelled(91, labelUnknownCommit)},
			log:    []string{"start", "body", "commit", "commit", "commit"},
		},
		"a transient commit repeats the whole": {
			commit: []error{labelled(251, labelTransient)},
			log:    []string{"start", "body", "commit", "start", "body", "commit"},
		},
		"an unknown outcome, then a lost transaction": {
			commit: []error{labelled(91, labelUnknownCommit), labelled(251, labelTransient)},
			log:    []string{"start", "body", "commit", "commit", "start", "body", "commit"},
		},
		"a refused commit ends it": {
			commit: []error{labelled(257)},
			log:    []string{"start", "body", "commit"},
			want:   store.ErrTooLarge,
		},
		"a commit that fails without an answer is not known": {
			commit: []error{errors.New("broken pipe")},
			log:    []string{"start", "body", "commit"},
			want:   errUnknown,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{body: slices.Clone(test.body), commit: slices.Clone(test.commit)}
			err := retry(t.Context(), s, patience.Limit, func(int) time.Duration { return 0 },
				func(context.Context) error { return s.step("body", &s.body) })
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("error is %v, want %v", err, test.want)
			}
			if diff := cmp.Diff(test.log, s.log); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATransactionGivesUpWhenTimeIsUp(t *testing.T) {
	t.Parallel()
	busy := func() *script {
		s := &script{}
		for range 10_000 {
			s.body = append(s.body, labelled(112, labelTransient))
			s.commit = append(s.commit, labelled(91, labelUnknownCommit))
		}
		return s
	}
	pause := func(int) time.Duration { return time.Millisecond }
	own, cancel := within(t.Context(), 20*time.Millisecond)
	defer cancel()
	s := busy()
	err := retry(own, s, patience.Limit, pause, func(context.Context) error { return s.step("body", &s.body) })
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("after the store's own limit: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	s = busy()
	err = retry(ctx, s, patience.Limit, pause, func(context.Context) error { return s.step("body", &s.body) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the caller's limit: %v", err)
	}
	s = busy()
	err = retry(t.Context(), s, 20*time.Millisecond, pause, func(context.Context) error { return nil })
	if !errors.Is(err, errUnknown) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a commit without an answer: %v", err)
	}
}

func TestACommitGoesOnWhenTheCallerHasGone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := &script{commit: []error{labelled(91, labelUnknownCommit)}}
	err := retry(ctx, s, patience.Limit, func(int) time.Duration { return 0 }, func(context.Context) error {
		cancel()
		return nil
	})
	if err != nil {
		t.Errorf("it was committed, and the caller is told %v", err)
	}
}
