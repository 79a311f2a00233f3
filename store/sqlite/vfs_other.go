//go:build !unix

package sqlite

// vfsName is SQLite's default file layer.
const vfsName = "win32"

func registerVFS() error { return nil }
