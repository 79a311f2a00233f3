package oauth_test

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/smart/oauth"
)

func TestParametersAreThereOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ claim, query, want string }{
		{"C12 an empty parameter counts as absent", "a=&b=1", ""},
		{"C12 a doubled parameter is refused", "a=1&a=1", "The parameter a is there more than once."},
		{"C12 a doubled parameter is refused though one is empty", "a=&a=1", "The parameter a is there more than once."},
		{"C12 the first of several is named", "b=1&b=2&a=1&a=2", "The parameter a is there more than once."},
		{"C12 an endless parameter is refused", "a=" + strings.Repeat("x", 17000), "The parameter a is longer than any that makes sense."},
		{"C12 bad UTF-8 is refused", "a=%ff", "The parameter a is not UTF-8."},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			values, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			p, err := oauth.Once(values)
			if p.Get("a") != "" {
				t.Errorf("a is %q", p.Get("a"))
			}
			var e *oauth.Error
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (!errors.As(err, &e) || e.Code != oauth.InvalidRequest || e.Description != tt.want):
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDescriptionsHaveOnlyAllowedCharacters(t *testing.T) {
	t.Parallel()
	got := oauth.Errorf(oauth.InvalidRequest, "a %s b", "\"\\\r\n\x7f\u00e9"+strings.Repeat("x", 1000)).Description
	if len(got) > 500 || !strings.HasPrefix(got, "a ''????x") && !strings.HasPrefix(got, "a ''?") {
		t.Errorf("got %q", got)
	}
	for i := range len(got) {
		if c := got[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			t.Errorf("got %q", got)
		}
	}
}

func TestBasic(t *testing.T) {
	t.Parallel()
	enc := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, tt := range []struct {
		claim, header, id, secret string
		there, ok                 bool
	}{
		{"C1 reads both parts", enc("app:s3cret"), "app", "s3cret", true, true},
		{"C1 decodes both as in a form", enc("a%3Ab:c%2Bd+e%25"), "a:b", "c+d e%", true, true},
		{"C1 a secret may have a colon", enc("app:a:b"), "app", "a:b", true, true},
		{"C1 a secret may be empty", enc("app:"), "app", "", true, true},
		{"C1 the scheme is read in any case", "bAsIc " + base64.StdEncoding.EncodeToString([]byte("a:b")), "a", "b", true, true},
		{"C1 another scheme is none", "Bearer abc", "", "", false, true},
		{"C1 no header is none", "", "", "", false, true},
		{"C1 no base64", "Basic ***", "", "", true, false},
		{"C1 no colon", enc("app"), "", "", true, false},
		{"C1 no id", enc(":x"), "", "", true, false},
		{"C1 a bad escape", enc("app:%zz"), "", "", true, false},
		{"C1 bad UTF-8", enc("\xff:x"), "", "", true, false},
		{"C1 nothing", "Basic", "", "", true, false},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			id, secret, there, err := oauth.Basic(tt.header)
			if id != tt.id || secret != tt.secret || there != tt.there || (err == nil) != tt.ok {
				t.Errorf("got %q %q %v %v", id, secret, there, err)
			}
		})
	}
}

func FuzzBasic(f *testing.F) {
	f.Add("Basic YXBwOnM=")
	f.Add("Basic")
	f.Fuzz(func(t *testing.T, header string) {
		id, secret, there, err := oauth.Basic(header)
		if (err != nil || !there) && id+secret != "" {
			t.Errorf("%q gives %q %q with %v", header, id, secret, err)
		}
		if err == nil && there {
			again := "basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
			i, s, _, err := oauth.Basic(again)
			if i != id || s != secret || err != nil {
				t.Errorf("%q comes back as %q %q %v", header, i, s, err)
			}
		}
	})
}

func FuzzOnce(f *testing.F) {
	f.Add("a=1&b=2&a=3")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		p, err := oauth.Once(values)
		for name, v := range values {
			if len(v) > 1 && (err == nil || p.Get(name) != "") {
				t.Errorf("%q is there %d times: %v", name, len(v), err)
			}
		}
	})
}
