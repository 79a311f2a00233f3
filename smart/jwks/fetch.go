package jwks

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of fetching.
const (
	maxRedirects = 3
	defaultAge   = 5 * time.Minute  // of a key set that does not say how long it is good for
	maxAge       = time.Hour        // of any
	retryAfter   = 10 * time.Second // between fetches for the sake of an unknown kid, or after a failure
	maxWaiting   = 128              // requests at a time for one key set that has to be fetched
)

// Fetcher gets key sets from URLs that somebody registered, and keeps them as long as
// Cache-Control allows. It connects to public addresses only, whatever a name resolves
// to at that moment. The zero value works. Safe for concurrent use.
type Fetcher struct {
	// Networks are private networks that may be connected to all the same, for apps
	// of the same house.
	Networks []netip.Prefix
	// Loopback allows loopback addresses, and http, for development.
	Loopback bool
	// TLS is the configuration of connections; nil: the default.
	TLS *tls.Config
	// Timeout is how long a fetch may take; 0: 5 s.
	Timeout time.Duration
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	mu   sync.Mutex
	sets map[string]*fetched
	http *http.Client
}

// fetched is what is known of one URL. Whoever has taken the token of turn may fetch,
// so that one fetch serves all who wait.
type fetched struct {
	turn    chan struct{}
	waiting atomic.Int32
	last    atomic.Pointer[outcome]
}

// outcome is that of the last fetch.
type outcome struct {
	keys  Set
	err   error
	at    time.Time
	until time.Time
}

// serves reports whether an outcome is to be taken as it is for a kid.
func (o *outcome) serves(kid string, now time.Time) bool {
	waited := now.Sub(o.at) >= retryAfter
	if o.err != nil {
		return !waited
	}
	return now.Before(o.until) && (len(o.keys[kid]) > 0 || !waited)
}

func (f *Fetcher) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

func (f *Fetcher) timeout() time.Duration { return cmp.Or(f.Timeout, 5*time.Second) }

// Get gives the keys of the set at a URL that can verify with one of the algorithms,
// which are always the same for one URL. When none of them has the kid, the set is
// fetched anew, but not more often than every ten seconds.
func (f *Fetcher) Get(ctx context.Context, url, kid string, algorithms []jose.SignatureAlgorithm) (Set, error) {
	s := f.set(url)
	if o := s.last.Load(); o != nil && o.serves(kid, f.now()) {
		return o.keys, o.err
	}
	// A slow server must not hold up all that this one can do at a time.
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > maxWaiting {
		return nil, errors.New("too many wait for the key set")
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := f.now()
	if o := s.last.Load(); o != nil && o.serves(kid, now) {
		return o.keys, o.err
	}
	// An app that goes away does not stop what others wait for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.timeout())
	defer cancel()
	keys, age, err := f.fetch(ctx, url, algorithms)
	s.last.Store(&outcome{keys, err, now, now.Add(age)})
	return keys, err
}

func (f *Fetcher) set(url string) *fetched {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sets == nil {
		f.sets = make(map[string]*fetched)
		f.http = f.client()
	}
	s := f.sets[url]
	if s == nil {
		s = &fetched{turn: make(chan struct{}, 1)}
		f.sets[url] = s
	}
	return s
}

func (f *Fetcher) fetch(ctx context.Context, url string, algorithms []jose.SignatureAlgorithm) (Set, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	if err := f.checkTarget(req); err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := f.http.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	if resp.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("the answer is %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSet+1))
	if err != nil {
		return nil, 0, err
	}
	keys, err := Parse(body, algorithms)
	return keys, cacheAge(resp.Header), err
}

// cacheAge says how long an answer may be kept (RFC 9111 5.2.2).
func cacheAge(h http.Header) time.Duration {
	age := defaultAge
	for directive := range strings.SplitSeq(strings.Join(h["Cache-Control"], ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return 0
			}
			age = time.Duration(seconds) * time.Second
		}
	}
	if spent, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		age -= time.Duration(spent) * time.Second
	}
	return min(max(age, 0), maxAge)
}

// client makes the HTTP client. It knows no proxy: the address that is checked must
// be the one that is spoken to.
func (f *Fetcher) client() *http.Client {
	dialer := &net.Dialer{Timeout: f.timeout(), Control: f.checkAddress}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.TLS != nil {
		config = f.TLS.Clone()
		config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	}
	return &http.Client{
		Timeout: f.timeout(),
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: config, TLSHandshakeTimeout: f.timeout(),
			MaxConnsPerHost: 2, MaxIdleConns: 10, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errors.New("too many redirects")
			}
			return f.checkTarget(r)
		},
	}
}

// checkTarget refuses what is not https.
func (f *Fetcher) checkTarget(r *http.Request) error {
	host := r.URL.Hostname()
	addr, err := netip.ParseAddr(host)
	local := host == "localhost" || err == nil && addr.IsLoopback()
	if r.URL.Scheme == "https" || r.URL.Scheme == "http" && f.Loopback && local {
		return nil
	}
	return errors.New("it is not https")
}

// checkAddress refuses addresses that are not public. It is asked after a name was
// resolved, right before the connection is made.
func (f *Fetcher) checkAddress(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	addr := ap.Addr().Unmap().WithZone("")
	for _, n := range f.Networks {
		if n.Contains(addr) {
			return nil
		}
	}
	if f.Loopback && addr.IsLoopback() || isPublic(addr) {
		return nil
	}
	return errors.New("the address is not a public one")
}

// special are ranges, besides those that netip knows, that are not public or lead to
// other addresses (the IANA special-purpose address registries).
var special = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

func isPublic(addr netip.Addr) bool {
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}
