package main

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestEveryKeyIsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		if cell, ok := strings.CutPrefix(line, "| `"); ok {
			key, _, _ := strings.Cut(cell, "`")
			documented[key] = true
		}
	}
	keys := map[string]bool{}
	yamlKeys(reflect.TypeFor[Config](), "", keys)
	if len(keys) < 20 {
		t.Fatalf("only %d keys found", len(keys))
	}
	for key := range keys {
		if !documented[key] {
			t.Errorf("%s is not in docs/config.md", key)
		}
	}
	for key := range documented {
		if !keys[key] {
			t.Errorf("docs/config.md explains %s, which is no key", key)
		}
	}
}

func yamlKeys(typ reflect.Type, prefix string, keys map[string]bool) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		key := prefix + f.Tag.Get("yaml")
		if f.Type.Kind() == reflect.Struct && f.Type.PkgPath() == typ.PkgPath() {
			yamlKeys(f.Type, key+".", keys)
			continue
		}
		keys[key] = true
	}
}

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	c := defaultConfig()
	c.Auth = authOff
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestStoreURIShowsNoSecrets(t *testing.T) {
	t.Parallel()
	for uri, want := range map[storeURI]string{
		"sqlite:./data": "sqlite:./data",
		"mongodb://u:p@a.example.org,b.example.org/db":   "mongodb://redacted@a.example.org,b.example.org/db",
		"mongodb://h/db?authMechanismProperties=SECRET":  "mongodb://h/db?redacted",
		"mongodb+srv://u:p@h.example.org":                "mongodb+srv://redacted@h.example.org",
		"mongodb://u:p@ss@h.example.org/%zz":             "mongodb://[redacted]",
		"mongodb://u:p%40ss@h1:27017,h2:27018/portico?x": "mongodb://redacted@h1:27017,h2:27018/portico?redacted",
	} {
		if got := uri.String(); got != want {
			t.Errorf("%s: got %s, want %s", uri, got, want)
		}
	}
}
