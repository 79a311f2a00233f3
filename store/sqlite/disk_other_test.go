//go:build !linux

package sqlite

import "testing"

func smallDisk(t *testing.T, _ string) string {
	t.Helper()
	t.Skip("small file systems are mounted on Linux only")
	return ""
}
