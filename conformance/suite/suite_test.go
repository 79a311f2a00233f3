package suite_test

import (
	"os"
	"testing"

	"github.com/portico-fhir/portico/conformance/suite"
)

// env names the variable with the FHIR base URL of a server to test.
const env = "PORTICO_TEST_BASE"

// TestServer runs the suite against a server that somebody started.
func TestServer(t *testing.T) {
	base := os.Getenv(env)
	if base == "" {
		t.Skip("no server is named in " + env)
	}
	t.Run("suite", func(t *testing.T) { suite.Run(t, base) })
	t.Run("US Core", func(t *testing.T) { suite.USCore(t, base) })
}
