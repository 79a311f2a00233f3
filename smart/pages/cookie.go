package pages

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// The cookies. All are of this host and path alone, unreadable for scripts, and not sent with what other sites
// make the browser post (SameSite=Lax; Strict would lose the session when an app
// sends somebody here).
const (
	sessionCookie = "portico-session"
	deviceCookie  = "portico-device"   // a browser in which somebody signed in before
	browserCookie = "portico-browser-" // and what names the pending request; binds it to the browser
)

// deviceAge is how long a browser is remembered.
const deviceAge = 180 * 24 * time.Hour

// requestAge is how long a browser keeps the cookie of a pending request: longer
// than the request lives.
const requestAge = 15 * time.Minute

// cookieName is the name as browsers get it. With https it binds the cookie to this very
// host (RFC 6265bis 4.1.3.2): no other can plant one.
func (s *site) cookieName(name string) string {
	if s.secure() {
		return "__Host-" + name
	}
	return name
}

func (s *site) secure() bool { return strings.HasPrefix(s.Base, "https://") }

// cookie gives the value of a cookie; empty when there is none.
func (s *site) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie sets a cookie; an age of 0 means until the browser is closed, a negative
// one takes it away.
func (s *site) setCookie(w http.ResponseWriter, name, value string, age time.Duration) {
	c := &http.Cookie{
		Name: s.cookieName(name), Value: value, Path: "/", HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteLaxMode,
		MaxAge: int(age / time.Second),
	}
	http.SetCookie(w, c)
}

// browserCookieOf names the cookie that binds a pending request; that of no request,
// for pages which no app asked for, has a name, too.
func browserCookieOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return browserCookie + hex.EncodeToString(sum[:6])
}

// bind gives the secret that binds a request to this browser, made when there is none.
func (s *site) bind(w http.ResponseWriter, r *http.Request, id string) string {
	name := browserCookieOf(id)
	if v := s.cookie(r, name); v != "" {
		return v
	}
	v := rand.Text()
	age := requestAge
	if id == "" {
		age = 0
	}
	s.setCookie(w, name, v, age)
	return v
}
