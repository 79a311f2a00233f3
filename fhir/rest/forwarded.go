package rest

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// baseFor is the FHIR base URL as the client of this request sees it: the
// configured one, unless a proxy that we trust says where it was asked.
func (s *Server) baseFor(r *http.Request) string {
	if len(s.Proxies) == 0 || !s.trusts(r.RemoteAddr) {
		return s.Base
	}
	proto, host := forwarded(r.Header)
	base, err := url.Parse(s.Base)
	if err != nil || (proto == "" && host == "") {
		return s.Base
	}
	if proto == "http" || proto == "https" {
		base.Scheme = proto
	}
	if validHost(host) {
		base.Host = host
	}
	return base.String()
}

func (s *Server) trusts(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	return err == nil && among(s.Proxies, peer.Addr().Unmap())
}

func among(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// ClientAddress is where a request comes from: what the nearest proxy says when that is
// one of those that are believed, else the peer of the connection. The zero Addr when
// neither is an address.
func ClientAddress(r *http.Request, proxies []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	if !among(proxies, addr) {
		return addr
	}
	said := last(r.Header["X-Forwarded-For"])
	if values := r.Header["Forwarded"]; len(values) > 0 {
		said = ""
		for pair := range strings.SplitSeq(last(values), ";") {
			if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(name, "for") {
				said = strings.Trim(value, `"`)
			}
		}
	}
	if host, _, err := net.SplitHostPort(said); err == nil {
		said = host
	}
	if client, err := netip.ParseAddr(strings.Trim(said, "[]")); err == nil {
		return client.Unmap()
	}
	return addr
}

// forwarded reads what the nearest proxy said, which is the last element: the
// ones before it may come from the client.
func forwarded(h http.Header) (proto, host string) {
	if values := h["Forwarded"]; len(values) > 0 {
		for pair := range strings.SplitSeq(last(values), ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			value = strings.Trim(value, `"`)
			switch strings.ToLower(name) {
			case "proto":
				proto = strings.ToLower(value)
			case "host":
				host = value
			}
		}
		return proto, host
	}
	return strings.ToLower(last(h["X-Forwarded-Proto"])), last(h["X-Forwarded-Host"])
}

// last is the last element of a comma-separated header.
func last(values []string) string {
	if len(values) == 0 {
		return ""
	}
	value := values[len(values)-1]
	return strings.TrimSpace(value[strings.LastIndexByte(value, ',')+1:])
}

// validHost accepts host[:port] and nothing that could end or extend a URL.
func validHost(host string) bool {
	if host == "" || len(host) > 255 {
		return false
	}
	for i := range len(host) {
		switch c := host[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return true
}

// isOurs reports whether a Host header names this machine's loopback or the
// host of Base.
func (s *Server) isOurs(host string) bool {
	if base, err := url.Parse(s.Base); err == nil && strings.EqualFold(host, base.Host) {
		return true
	}
	return IsLoopback(host)
}

// IsLoopback reports whether host[:port] is certain to be this machine only.
func IsLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
