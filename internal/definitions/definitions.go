// Package definitions is what the generators of R4's tables have in common: they
// read resources of the npm package hl7.fhir.r4.examples and write a file.
// Nothing in the product imports it.
package definitions

import (
	"encoding/json"
	"fmt"
	"go/format"
	"log"
	"os"
	"path/filepath"
	"strings"
)

// Main runs a generator as a command, with the arguments PACKAGE_DIR and OUTPUT:
// it writes what table makes of the package to the file, formatted when that is Go.
func Main(table func(dir string) ([]byte, error)) {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatalf("usage: %s PACKAGE_DIR OUTPUT", filepath.Base(os.Args[0]))
	}
	src, err := table(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if strings.HasSuffix(os.Args[2], ".go") {
		if src, err = format.Source(src); err != nil {
			log.Fatal(err)
		}
	}
	if err := os.WriteFile(os.Args[2], src, 0o644); err != nil {
		log.Fatal(err)
	}
}

// Read decodes all resources of a type in the order of their file names.
func Read[T any](dir, resourceType string) ([]T, error) {
	files, err := filepath.Glob(filepath.Join(dir, resourceType+"-*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no %s files in %s", resourceType, dir)
	}
	all := make([]T, len(files))
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &all[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return all, nil
}
