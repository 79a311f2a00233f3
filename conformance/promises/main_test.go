package promises

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
)

// binary is the program under test; TestMain builds it.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the program, runs the tests and takes the program away again.
func run(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "portico-promises-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if binary, err = program.Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// stores gives, by name, the flags that make the program keep everything in a new
// store.
func stores() map[string]func(testing.TB) []string {
	return map[string]func(testing.TB) []string{
		"memory":  func(testing.TB) []string { return []string{"--auth", "off", "--store", "memory:"} },
		"sqlite":  onSQLite,
		"mongodb": onMongoDB,
	}
}

func onSQLite(t testing.TB) []string {
	return []string{"--auth", "off", "--store", "sqlite:" + t.TempDir()}
}

func onMongoDB(t testing.TB) []string {
	return []string{"--auth", "off", "--store", mongotest.URI(t)}
}

// onEach runs a test on each store.
func onEach(t *testing.T, test func(t *testing.T, flags []string)) {
	for name, flags := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, flags(t))
		})
	}
}
