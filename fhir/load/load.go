package load

import (
	"cmp"
	"context"
	"hash/maphash"
	"io"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
)

// The limits of a Loader that sets none.
const (
	DefaultMaxResource = schema.DefaultMaxBytes
	DefaultMaxBundle   = 512 << 20
	DefaultBatch       = 250
	DefaultRemember    = 4 << 20 // about 150 MB when reached
	// batchBytes is how large a commit may be for each resource of a batch, so that
	// it stays well below what stores take in one.
	batchBytes = 4 << 10
	// What waits for a worker, at most: while one commits it takes nothing, and the others should not lack
	// work because the next resource is that one's.
	waitingUnits = 1024
	waitingBytes = 32 << 20 // for all workers, or one resource
	// maxConditions bounds the distinct conditional references of a load.
	maxConditions = 1 << 20
)

// Validator accepts or refuses a resource; *schema.Validator is one. It is used
// concurrently.
type Validator interface {
	Validate(body []byte, want fhir.Type) (schema.Info, error)
}

// Repository is what is loaded into: as much of a [fhir.Repository] as that takes.
type Repository interface {
	Describe(t fhir.Type) fhir.Capability
	Search(ctx context.Context, q *fhir.Query) (fhir.Page, error) // for a token of the parameter identifier; of what is found, the keys count
	Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error)
}

// Loader loads. Repository and Validator must be set; all else has defaults. It
// is not changed by loading and can be used again.
type Loader struct {
	Repository Repository
	Validator  Validator

	Workers     int   // that validate and commit; 0: four per CPU, since commits wait for the one writer and its disk
	Batch       int   // resources in one commit, of 4 kB on average at most; 0: DefaultBatch
	MaxResource int64 // bytes of one resource or line; 0: DefaultMaxResource
	MaxBundle   int64 // bytes of one Bundle, unpacked; 0: DefaultMaxBundle
	Remember    int   // ids that are watched for coming twice; 0: DefaultRemember

	// Failed is told of every resource, Bundle and file that was not loaded; nil
	// counts only. Calls do not overlap.
	Failed func(Failure)
	// Progress is told every now and then how far it is. Calls do not overlap.
	Progress func(Summary)
	// Every is the least time between two calls of Progress; 0: one second.
	Every time.Duration
}

// Paths loads files, and directories with all that lies below them: names that end
// in .json, .ndjson or .jsonl, with .gz or without, in alphabetical order; hidden ones
// and others are skipped. The summary is right in any case; the error says why the load
// ended early: ctx, a directory that cannot be read, or a repository that
// cannot serve. A resource that fails does not end the load.
func (l *Loader) Paths(ctx context.Context, paths ...string) (Summary, error) {
	sources, skipped, err := files(paths)
	if err != nil {
		return Summary{}, err
	}
	return l.load(ctx, sources, skipped)
}

// Reader loads what r gives, in any of the forms that a file may have; name stands for it in
// reports. Since NDJSON cannot be read twice from r, its conditional references are
// resolved by the repository alone, and of lines with the same id each is written.
func (l *Loader) Reader(ctx context.Context, name string, r io.Reader) (Summary, error) {
	c, err := open(r, l.limits())
	return l.load(ctx, []source{stream{name, c, err}}, 0)
}

func (l *Loader) limits() limits {
	return limits{
		line:  cmp.Or(l.MaxResource, DefaultMaxResource),
		whole: cmp.Or(l.MaxBundle, DefaultMaxBundle),
	}
}

func (l *Loader) load(ctx context.Context, sources []source, skipped int) (Summary, error) {
	r := &run{
		Loader:     l,
		tally:      newTally(l),
		conditions: newConditions(l.Repository),
		ids:        newIDs(cmp.Or(l.Remember, DefaultRemember)),
		can:        map[fhir.Type]fhir.Capability{},
	}
	r.tally.sum.Skipped = skipped
	for _, t := range fhir.Types() {
		r.can[t] = l.Repository.Describe(t)
	}
	err := r.survey(ctx, sources)
	if err == nil {
		r.tally.sum.Found = r.ids.all
		err = r.write(ctx, sources)
	}
	return r.tally.summary(), err
}

// run is one load.
type run struct {
	*Loader
	tally      *tally
	conditions *conditions
	ids        *ids
	can        map[fhir.Type]fhir.Capability
}

// write sends the resources of the sources to workers. Those with the same id go to the
// same worker, so that they stay in order.
func (r *run) write(ctx context.Context, sources []source) error {
	group, ctx := errgroup.WithContext(ctx)
	inbox := make([]chan unit, cmp.Or(r.Workers, 4*runtime.GOMAXPROCS(0)))
	waiting := semaphore.NewWeighted(waitingBytes)
	for i := range inbox {
		inbox[i] = make(chan unit, waitingUnits)
		w := &worker{run: r, in: inbox[i], waiting: waiting, keys: map[fhir.Key]bool{}}
		group.Go(func() error { return w.work(ctx) })
	}
	group.Go(func() error {
		defer func() {
			for _, in := range inbox {
				close(in)
			}
		}()
		seed := maphash.MakeSeed()
		for _, s := range sources {
			err := r.each(ctx, s, true, func(u unit) error {
				if r.ids.comesAgain(u) {
					r.tally.repeated(u)
					return nil
				}
				if err := waiting.Acquire(ctx, u.weight()); err != nil {
					return context.Cause(ctx)
				}
				select {
				case inbox[maphash.String(seed, u.key.ID)%uint64(len(inbox))] <- u:
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				r.tally.fail(Failure{Position: Position{File: s.name(), Entry: -1}, Err: unreadable(err)})
			}
			r.tally.file()
		}
		return nil
	})
	return group.Wait()
}

// each reads the units of a source. It ends early when ctx does; any other error is
// about the source.
func (r *run) each(ctx context.Context, s source, resolve bool, emit func(unit) error) error {
	read := &reader{run: r, file: s.name(), resolve: resolve}
	return s.read(ctx, r.limits(), func(d document) error {
		for u := range read.units(ctx, d) {
			if err := emit(u); err != nil {
				return err
			}
		}
		return nil
	})
}

// unreadable makes the error of a source that could not be read to its end.
func unreadable(err error) error {
	if asIssues(err) != nil {
		return err
	}
	return fhir.Errorf(fhir.CodeStructure, "", "it cannot be read: %v", err)
}
