package conformance

import (
	"bufio"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// claimed matches the id that a test name, or the claim of a decision table, starts with.
var claimed = regexp.MustCompile("(?m)(?:[\"`]|^== )([A-I][0-9]{1,2}(?:\\.[0-9]{1,2})?) [^\"`]")

// TestRequirements compares requirements.txt with the test names of the whole
// repository.
func TestRequirements(t *testing.T) {
	t.Parallel()
	listed := readRequirements(t)
	tested := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == ".cache" || d.Name() == "oracle"):
			return filepath.SkipDir
		case d.IsDir(), !strings.HasSuffix(path, "_test.go") && !slices.Contains([]string{"suite", "tables"}, filepath.Base(filepath.Dir(path))):
			return nil
		}
		data, err := os.ReadFile(path)
		for _, m := range claimed.FindAllSubmatch(data, -1) {
			tested[string(m[1])] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tested) < 10 {
		t.Fatalf("found only %d ids in test names", len(tested))
	}
	for id := range listed {
		if tested[id] == "" {
			t.Errorf("%s is listed, but no test name starts with it", id)
		}
	}
	for id, path := range tested {
		if !listed[id] {
			t.Errorf("%s is in a test name in %s, but not listed", id, path)
		}
	}
}

func readRequirements(t *testing.T) map[string]bool {
	t.Helper()
	f, err := os.Open("requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	listed := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		id, note, _ := strings.Cut(lines.Text(), " ")
		if id == "" || id == "#" {
			continue
		}
		if listed[id] || (note != "" && !strings.HasPrefix(note, "partly: ")) {
			t.Errorf("malformed or doubled: %q", lines.Text())
		}
		listed[id] = true
	}
	return listed
}
