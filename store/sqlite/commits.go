package sqlite

import "github.com/portico-fhir/portico/store"

var _ store.Committer = (*Store)(nil)

// Commits implements store.Committer.
func (s *Store) Commits() (calls, groups int64) {
	return s.writer.applied.Load(), s.writer.commits.Load()
}
