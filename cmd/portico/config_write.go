package main

// WriteConfig says what writes may do.
type WriteConfig struct {
	ConditionalDelete string `yaml:"conditional-delete"`
	MaxDeletes        int    `yaml:"max-deletes"`
	Purge             bool   `yaml:"purge"`
}

// The values of WriteConfig.ConditionalDelete.
const (
	deleteSingle   = "single"
	deleteMultiple = "multiple"
)

func defaultWrite() WriteConfig {
	return WriteConfig{ConditionalDelete: deleteSingle, MaxDeletes: 1000}
}

// validate reports what is wrong by check. Open says that nobody is asked who they are.
func (w WriteConfig) validate(open bool, check func(ok bool, format string, args ...any)) {
	check(!w.Purge || open, "write.purge: $purge is served without authorization only, on loopback; with it, use portico purge")
	check(w.ConditionalDelete == deleteSingle || w.ConditionalDelete == deleteMultiple, "write.conditional-delete must be single or multiple")
	check(w.MaxDeletes > 0 && w.MaxDeletes <= 10_000, "write.max-deletes must be 1 to 10000")
}

// deleteMany is how many resources a conditional delete may delete.
func (w WriteConfig) deleteMany() int {
	if w.ConditionalDelete == deleteMultiple {
		return w.MaxDeletes
	}
	return 1
}
