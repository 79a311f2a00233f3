//go:build unix

package sqlite

import (
	"math/bits"
	"testing"

	lib "modernc.org/sqlite/lib"
)

// A file is mapped as a whole, however large: SQLite itself stops at 2 GB, and looks at where it stops
// whenever the file has grown.
func TestTheWholeFileIsMapped(t *testing.T) {
	t.Parallel()
	if bits.UintSize < 64 {
		t.Skip("short addresses")
	}
	s := open(t, t.TempDir(), Options{})
	for i := range 3 {
		if err := insertOne(t, s, string(rune('a'+i)), 100_000); err != nil {
			t.Fatal(err)
		}
		wantIDs(t, s, i+1)
	}
	c, err := s.readers.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.readers.put(c)
	f, err := c.unixFile()
	if err != nil || f.FmmapSizeMax <= lib.SQLITE_MAX_MMAP_SIZE {
		t.Errorf("%d bytes at most, %v", f.FmmapSizeMax, err)
	}
}
