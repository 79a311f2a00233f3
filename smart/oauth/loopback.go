package oauth

import (
	"net/netip"
	"strings"
)

// IsLoopback reports whether a host, without a port, is this machine: localhost, or an
// address of 127.0.0.0/8 or ::1, which may be in brackets.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil && addr.IsLoopback()
}
