package sqlite

import "github.com/portico-fhir/portico/store"

var (
	_ store.Committer = (*Store)(nil)
	_ store.Marker    = (*Store)(nil)
)

// Commits implements store.Committer.
func (s *Store) Commits() (calls, groups int64) {
	return s.writer.applied.Load(), s.writer.commits.Load()
}

// Mark implements store.Marker: the writer counts a commit after it can be read, and
// before it is acknowledged.
func (s *Store) Mark() (mark int64, ok bool) { return s.writer.commits.Load(), locks }
