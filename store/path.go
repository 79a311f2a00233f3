package store

import (
	"fmt"
	"strconv"
	"strings"
)

// cutPath splits the first part off a dotted path.
func cutPath(path string) (part, rest string, more bool) {
	return strings.Cut(path, ".")
}

// position is the array index that a path part means, or -1. Only the
// canonical decimal form is one: "01" is a name.
func position(part string) int {
	if part == "" || len(part) > 9 || part[0] == '0' && len(part) > 1 {
		return -1
	}
	for i := range len(part) {
		if part[i] < '0' || part[i] > '9' {
			return -1
		}
	}
	n, err := strconv.Atoi(part)
	if err != nil {
		return -1
	}
	return n
}

// checkPath refuses what MongoDB cannot address: empty parts, parts that start
// with $, and NUL bytes.
func checkPath(path string) error {
	parts := 0
	for rest, more := path, true; more; {
		var part string
		part, rest, more = cutPath(rest)
		parts++
		switch {
		case part == "":
			return fmt.Errorf("%w: path %q has an empty part", ErrInvalid, path)
		case part[0] == '$':
			return fmt.Errorf("%w: path %q has a part that starts with $", ErrInvalid, path)
		case strings.IndexByte(part, 0) >= 0:
			return fmt.Errorf("%w: path %q contains a NUL byte", ErrInvalid, path)
		}
	}
	if parts > maxDepth {
		return fmt.Errorf("%w: a path has more than %d parts", ErrInvalid, maxDepth)
	}
	return nil
}
