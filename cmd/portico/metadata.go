package main

import (
	"log/slog"
	"sync/atomic"

	"github.com/portico-fhir/portico/conformance"
	"github.com/portico-fhir/portico/fhir/rest"
)

// metadata makes the CapabilityStatement, and anew when what it tells of has changed.
type metadata struct {
	about    *conformance.Server
	revision func() uint64
	log      *slog.Logger
	made     atomic.Pointer[statements]
}

// statements are the answers of /metadata at a revision, by mode.
type statements struct {
	revision uint64
	modes    map[string]rest.Statement
}

// statement gives the answer in a mode; ok is false for an unknown one.
func (m *metadata) statement(mode string) (s rest.Statement, ok bool) {
	have := m.made.Load()
	if revision := m.revision(); have == nil || have.revision != revision {
		next, err := m.make(revision)
		switch {
		case err == nil:
			m.made.Store(next)
			have = next
		case have == nil:
			m.log.Error("no capability statement", "cause", err)
			return s, false
		default:
			m.log.Error("the capability statement is an old one", "cause", err)
		}
	}
	s, ok = have.modes[mode]
	return s, ok
}

func (m *metadata) make(revision uint64) (*statements, error) {
	all := &statements{revision, make(map[string]rest.Statement)}
	for _, mode := range conformance.Modes() {
		body, err := m.about.Statement(mode)
		if err != nil {
			return nil, err
		}
		all.modes[mode] = rest.Statement{Body: body, ETag: conformance.ETag(body)}
	}
	return all, nil
}
