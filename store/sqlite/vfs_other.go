//go:build !unix

package sqlite

// vfsName is SQLite's default file layer.
const vfsName = "win32"

func registerVFS() error { return nil }

// mapMore leaves it at the 2 GB that SQLite maps by itself.
func (c *conn) mapMore(int64) error { return nil }
