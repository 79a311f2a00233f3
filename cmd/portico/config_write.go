package main

import (
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/integrity"
)

// WriteConfig says what writes may do.
type WriteConfig struct {
	ConditionalDelete string `yaml:"conditional-delete"`
	MaxDeletes        int    `yaml:"max-deletes"`
	Purge             bool   `yaml:"purge"`

	ReferencePolicy ReferencePolicy `yaml:"reference-policy"`
}

// ReferencePolicy says of which types the references must lead somewhere: off or enforced.
type ReferencePolicy struct {
	Default string               `yaml:"default"`
	Types   map[fhir.Type]string `yaml:"types"`
}

// The values in ReferencePolicy.
const (
	referencesOff      = "off"
	referencesEnforced = "enforced"
)

// The values of WriteConfig.ConditionalDelete.
const (
	deleteSingle   = "single"
	deleteMultiple = "multiple"
)

func defaultWrite() WriteConfig {
	return WriteConfig{ConditionalDelete: deleteSingle, MaxDeletes: 1000, ReferencePolicy: ReferencePolicy{Default: referencesOff}}
}

// validate reports what is wrong by check. Purgers says that there is somebody who could
// purge.
func (w WriteConfig) validate(purgers bool, check func(ok bool, format string, args ...any)) {
	check(!w.Purge || purgers, "write.purge: nobody could use $purge: list in smart.operators the client_ids of backend services that may, or leave it out and use portico purge")
	check(w.ConditionalDelete == deleteSingle || w.ConditionalDelete == deleteMultiple, "write.conditional-delete must be single or multiple")
	known := []string{referencesOff, referencesEnforced}
	check(slices.Contains(known, w.ReferencePolicy.Default), "write.reference-policy.default must be off or enforced")
	for t, policy := range w.ReferencePolicy.Types {
		check(t.Valid(), "write.reference-policy.types: there is no resource type %q", t)
		check(slices.Contains(known, policy), "write.reference-policy.types: %s must be off or enforced", t)
	}
	check(w.MaxDeletes > 0 && w.MaxDeletes <= 10_000, "write.max-deletes must be 1 to 10000")
}

// references is which references are enforced.
func (w WriteConfig) references() integrity.Policy {
	p := integrity.Policy{Default: w.ReferencePolicy.Default == referencesEnforced, Types: map[fhir.Type]bool{}}
	for t, policy := range w.ReferencePolicy.Types {
		p.Types[t] = policy == referencesEnforced
	}
	return p
}

// deleteMany is how many resources a conditional delete may delete.
func (w WriteConfig) deleteMany() int {
	if w.ConditionalDelete == deleteMultiple {
		return w.MaxDeletes
	}
	return 1
}
