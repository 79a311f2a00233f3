// Command gen compiles google/fhir's R4 proto descriptors and their annotations
// into the tables of package fhir/schema and the list of resource types of
// package fhir. It is run by go generate; its output is deterministic.
//
//	gen SCHEMA_TABLES.go TYPES.go
package main

import (
	"fmt"
	"go/format"
	"os"

	r4pb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want two arguments, the files to write; got %d", len(args))
	}
	m, err := readModel((&r4pb.ContainedResource{}).ProtoReflect().Descriptor())
	if err != nil {
		return err
	}
	if err := write(args[0], m.writeTables); err != nil {
		return err
	}
	return write(args[1], m.writeTypes)
}

func write(path string, body func() string) error {
	src, err := format.Source([]byte(body()))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, src, 0o644)
}
