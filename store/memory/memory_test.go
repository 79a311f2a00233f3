package memory_test

import (
	"testing"
	"time"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	s := &storetest.Suite{
		Open:  func(*testing.T) store.Store { return memory.New() },
		Sweep: func(_ *testing.T, s store.Store, now time.Time) { s.(*memory.Store).Sweep(now) },
		Skip:  map[string]string{"plans": "memory uses no index"},
	}
	s.Run(t)
}
