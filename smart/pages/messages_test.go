package pages_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// read gives a catalogue of messages.
func read(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]string
	if err := yaml.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryLanguageSaysEverything(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("messages/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	english := read(t, "messages/en.yaml")
	for _, file := range files {
		other := read(t, file)
		for key, text := range english {
			said := other[key]
			if strings.TrimSpace(said) == "" {
				t.Errorf("%s does not say %s", file, key)
			}
			want, got := placeholder.FindAllString(text, -1), placeholder.FindAllString(said, -1)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(slices.Compact(want), slices.Compact(got)) {
				t.Errorf("%s: %s has the placeholders %v, want %v", file, key, got, want)
			}
		}
		for key := range other {
			if _, ok := english[key]; !ok {
				t.Errorf("%s says %s, which English does not", file, key)
			}
		}
	}
}

// usedKeys finds the keys of messages in the program and its templates. Those that are put
// together end in a dot.
func usedKeys(t *testing.T) []string {
	t.Helper()
	quoted := regexp.MustCompile(`"((?:login|picker|consent|apps|logout|error|errors|group|what|kind|month|seconds|minutes)\.[a-zA-Z.-]*|skip|cancel|continue|signed-in-as|sign-out|day|month-year|language|back)"`)
	var all []string
	for _, pattern := range []string{"*.go", "templates/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range quoted.FindAllSubmatch(data, -1) {
				all = append(all, string(m[1]))
			}
		}
	}
	return all
}

func TestMessagesAreThoseThatAreUsed(t *testing.T) {
	t.Parallel()
	english, used := read(t, "messages/en.yaml"), usedKeys(t)
	for _, key := range used {
		if _, ok := english[key]; !ok && !strings.HasSuffix(key, ".") && key != "seconds" && key != "minutes" {
			t.Errorf("%s is used, but not said", key)
		}
	}
	for key := range english {
		prefix := slices.ContainsFunc(used, func(u string) bool { return strings.HasSuffix(u, ".") && strings.HasPrefix(key, u) })
		unit := strings.HasPrefix(key, "seconds.") || strings.HasPrefix(key, "minutes.")
		if !slices.Contains(used, key) && !prefix && !unit && key != "language" {
			t.Errorf("%s is said, but not used", key)
		}
	}
}
