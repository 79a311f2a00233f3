package client

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/smart/oauth"
)

// AllowsRedirect reports whether the browser may be sent to uri: exactly as it is
// registered (RFC 9700 2.1). A public client's on a loopback address may have any
// port, since a program on somebody's machine takes one that is free (RFC 8252 7.3).
func (c *Client) AllowsRedirect(uri string) bool {
	return slices.ContainsFunc(c.Redirects, func(registered string) bool {
		return registered == uri || c.Kind == Public && sameButPort(registered, uri)
	})
}

// sameButPort reports whether both are http URIs on the same loopback host that
// differ in nothing but the port.
func sameButPort(registered, uri string) bool {
	a, rest, ok1 := cutAuthority(registered)
	b, other, ok2 := cutAuthority(uri)
	if !ok1 || !ok2 || rest != other {
		return false
	}
	hostA, _, ok1 := cutPort(a)
	hostB, port, ok2 := cutPort(b)
	return ok1 && ok2 && hostA == hostB && oauth.IsLoopback(hostA) && validPort(port)
}

// cutAuthority cuts "http://", the authority, and everything behind it. It works on
// the text: what a URL parser would forgive does not match.
func cutAuthority(uri string) (authority, rest string, ok bool) {
	uri, ok = strings.CutPrefix(uri, "http://")
	i := strings.IndexAny(uri, "/?#")
	if !ok || i < 0 {
		return "", "", false
	}
	return uri[:i], uri[i:], true
}

// cutPort cuts the port off an authority without a user. Port is empty when there
// is none.
func cutPort(authority string) (host, port string, ok bool) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority, "", true
	}
	return authority[:i], authority[i+1:], i+1 < len(authority)
}

func validPort(port string) bool {
	if len(port) > 5 || strings.HasPrefix(port, "0") {
		return false
	}
	return strings.Trim(port, "0123456789") == ""
}

// checkRedirect says what is wrong with a redirect URI that is to be registered.
func checkRedirect(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || !u.IsAbs() || len(uri) > 2000 || strings.ContainsFunc(uri, unprintable) || strings.ContainsAny(uri, `"<>\^{}|`+"`"):
		return errors.New("it is not an absolute URI")
	case strings.Contains(uri, "#"):
		return errors.New("it has a fragment") // RFC 6749 3.1.2
	case strings.Contains(uri, "*"):
		return errors.New("it has a wildcard, but is compared exactly")
	case u.User != nil:
		return errors.New("it has a user")
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && oauth.IsLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http" || u.Scheme == "https":
		return errors.New("it must be https, or http on a loopback address")
	case !strings.Contains(u.Scheme, "."):
		return errors.New("a scheme of the app's own must be a domain name in reverse order, as com.example.app") // RFC 8252 7.1
	}
	return nil
}

// validOrigin reports whether s is an origin as browsers send it.
func validOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Scheme+"://"+strings.ToLower(u.Host) == s
}

// checkURL says what is wrong with a URL that the server fetches, or sends browsers
// to.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.ContainsFunc(s, unprintable):
		return errors.New("it is not an absolute URL without user and fragment")
	case u.Scheme == "https" || u.Scheme == "http" && oauth.IsLoopback(u.Hostname()):
		return nil
	}
	return errors.New("it must be https, or http on a loopback address")
}
