package mongo

import (
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// uri is a connection string in its parts, so that what is said about it never
// says its secrets. It is not a URL: it may list several hosts.
type uri struct {
	scheme   string // "mongodb" or "mongodb+srv"
	userinfo bool   // there is one; its text is kept nowhere
	hosts    string
	database string // of the path; "" when it names none
	query    string // with secret values replaced
}

// secretOptions are the URI options whose values are, or hold, secrets.
var secretOptions = []string{"authmechanismproperties", "tlscertificatekeyfilepassword", "sslclientcertificatekeypassword", "proxyusername", "proxypassword"}

// parseURI takes a connection string apart. It does not judge it; the driver
// does. Whatever stands before the last "@" counts as credentials, so that one
// which should have been percent-encoded is not taken for a host.
func parseURI(s string) (uri, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || scheme != "mongodb" && scheme != "mongodb+srv" {
		return uri{}, errors.New("a MongoDB URI starts with mongodb:// or mongodb+srv://")
	}
	u := uri{scheme: scheme}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		u.userinfo, rest = true, rest[at+1:]
	}
	rest, query, _ := strings.Cut(rest, "?")
	u.hosts, u.database, _ = strings.Cut(rest, "/")
	u.query = redactQuery(query)
	return u, nil
}

// redactQuery replaces the values of secret options.
func redactQuery(query string) string {
	if query == "" {
		return ""
	}
	pairs := strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' })
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		for _, secret := range secretOptions {
			if strings.EqualFold(name, secret) {
				pairs[i] = name + "=redacted"
			}
		}
	}
	return strings.Join(pairs, "&")
}

// String gives the URI without credentials, for logs and errors.
func (u uri) String() string {
	var b strings.Builder
	b.WriteString(u.scheme + "://")
	if u.userinfo {
		b.WriteString("redacted@")
	}
	b.WriteString(u.hosts)
	if u.database != "" || u.query != "" {
		b.WriteString("/" + u.database)
	}
	if u.query != "" {
		b.WriteString("?" + u.query)
	}
	return b.String()
}

// fault explains why the driver refused a URI. The driver's own words may
// quote a password, so they are used only when they hold for the redacted URI
// as well.
func (u uri) fault() error {
	redacted := u
	redacted.query = strings.ReplaceAll(u.query, "=redacted", "=a:b")
	text := redacted.String()
	if u.userinfo {
		text = strings.Replace(text, "redacted@", "redacted:redacted@", 1)
	}
	if u.scheme == "mongodb" { // looking up SRV records twice would help nobody
		if err := options.Client().ApplyURI(text).Validate(); err != nil {
			return fmt.Errorf("MongoDB URI %s: %w", u, err)
		}
	}
	if u.userinfo {
		return fmt.Errorf("MongoDB URI %s: the driver refuses it; percent-encode the user name and the password, and check the options", u)
	}
	return fmt.Errorf("MongoDB URI %s: the driver refuses it; check the host and the options", u)
}
