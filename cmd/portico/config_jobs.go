package main

import (
	"log/slog"
	"time"

	"github.com/portico-fhir/portico/fhir/job"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store"
)

// JobsConfig bounds requests that clients do not wait for (Prefer: respond-async).
type JobsConfig struct {
	MaxRunning   int           `yaml:"max-running"`
	MaxWaiting   int           `yaml:"max-waiting"`
	MaxPerCaller int           `yaml:"max-per-caller"`
	Timeout      time.Duration `yaml:"timeout"`
	Keep         time.Duration `yaml:"keep"`
}

func defaultJobs() JobsConfig {
	return JobsConfig{MaxRunning: 2, MaxWaiting: 64, MaxPerCaller: 20, Timeout: time.Hour, Keep: 24 * time.Hour}
}

// validate reports what is wrong by check.
func (j JobsConfig) validate(check func(ok bool, format string, args ...any)) {
	check(j.MaxRunning > 0 && j.MaxWaiting > 0 && j.MaxPerCaller > 0, "jobs: every limit must be more than 0")
	check(j.Timeout > 0 && j.Keep > 0, "jobs: timeout and keep must be more than 0")
}

// queue keeps and carries out such requests. Alone says that no other process works on the store.
func (j JobsConfig) queue(st store.Store, alone bool, log *slog.Logger) *job.Queue {
	return &job.Queue{Store: st, NewID: record.NewID, Log: log, Alone: alone, Limits: job.Limits{
		Running: j.MaxRunning, Waiting: j.MaxWaiting, Kept: j.MaxPerCaller, Timeout: j.Timeout, Keep: j.Keep,
	}}
}
