package suite

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Hostile sends only the searches that are meant to hurt.
func Hostile(t *testing.T, base string) { hostile(t, newClient(base)) }

// hostile sends searches that are meant to hurt. Each is refused, or is text that
// nothing matches; none keeps the server busy.
func hostile(t *testing.T, c *client) {
	long := func(s string, n int) string { return url.QueryEscape(strings.Repeat(s, n)) }
	refused := map[string]string{
		"G7.19 a value of 10,000 characters":              "Patient?family=" + long("a", 10_000),
		"G7.19 a value of 10,000 commas":                  "Patient?family=" + long(",", 10_000),
		"G7.19 a name of 10,000 characters":               "Patient?" + long("a", 10_000) + "=1",
		"G7.19 a huge list of alternatives":               "Patient?_id=" + long("a,", 900) + "a&family=" + long("b,", 900) + "b",
		"G7.19 hundreds of parameters":                    "Patient?" + strings.Repeat("family=a&", 300) + "family=a",
		"G7.19 thousands of parameters":                   "Patient?" + strings.Repeat("a=1&", 5000) + "a=1",
		"G7.19 a chain without an end":                    "Observation?subject:Patient." + strings.Repeat("link:Patient.", 40) + "name=a",
		"G7.19 a reverse chain without an end":            "Patient?" + strings.Repeat("_has:Patient:link:", 40) + "name=a",
		"G7.19 a list of _has within _has":                "Patient?" + strings.Repeat("_has:Observation:subject:", 20) + "code=a",
		"G7.19 NUL in a value":                            "Patient?family=a%00b",
		"G7.19 NUL in a name":                             "Patient?fam%00ily=a",
		"G7.19 what is not UTF-8":                         "Patient?family=%ff%fe",
		"G7.19 broken percent-encoding":                   "Patient?family=%zz",
		"G7.19 an operator as a parameter":                "Patient?$where=1",
		"G7.19 an operator in brackets":                   "Patient?family[$ne]=a",
		"G7.19 an operator behind a dot":                  "Patient?family.$gt=a",
		"G7.19 an operator as a modifier":                 "Patient?family:$regex=a",
		"G7.19 a field of the store as a parameter":       "Patient?k=a",
		"G7.19 a number with a huge exponent":             "Observation?value-quantity=1e999999999",
		"G7.19 a number with a huge negative exponent":    "Observation?value-quantity=1e-999999999",
		"G7.19 a number of a thousand digits":             "Observation?value-quantity=" + long("9", 1000),
		"G7.19 a date that never was":                     "Observation?date=99999999-99-99",
		"G7.19 a composite of hundreds of parts":          "Observation?code-value-quantity=" + long("$", 1000),
		"G7.19 a page larger than numbers go":             "Patient?_count=99999999999999999999999",
		"G7.19 a cursor that was made up":                 "Patient?_cursor=" + long("A", 1000),
		"G7.19 an order by hundreds of keys":              "Patient?_sort=" + long("_id,", 400) + "_id",
		"G7.19 colons without a modifier":                 "Patient?family::::=a",
		"G7.19 everything that refers to everything":      "Patient?_revinclude=*&_revinclude:iterate=*:*",
		"G7.19 dots without names":                        "Observation?subject.....=a",
		"G7.19 a bad value among hundreds of good ones":   "Observation?date=" + long("2024,", 300) + "x",
		"G7.19 a type within a type within a type":        "Observation?subject:Patient:Patient:Patient=1",
		"G7.19 white space for a parameter's name":        "Patient?%20=1",
		"G7.19 a parameter named like a prototype":        "Patient?__proto__=1",
		"G7.19 a path for a type":                         "Patient%2f..%2f..%2fetc?family=a",
		"G7.19 a modifier that is a path":                 "Observation?subject:..%2f..=1",
		"G7.19 a search by a type that is none":           "Patient%00?family=a",
		"G7.19 full text in parentheses without end":      "Basic?_content=" + long("(", 1000) + "a" + long(")", 1000),
		"G7.19 full text of nothing but operators":        "Basic?_content=" + long("NOT ", 400),
		"G7.19 full text of nothing but asterisks":        "Basic?_content=" + long("*", 1000),
		"G7.19 full text of one endless word":             "Basic?_content=" + long("a", 2100),
		"G7.16 a _filter of 10,000 characters":            "Patient?_filter=" + long("a", 10_000),
		"G7.16 a _filter of hundreds of tests":            "Patient?_filter=" + url.QueryEscape(strings.Repeat("_id eq a or ", 160)+"_id eq a"),
		"G7.16 a _filter of nothing but changes":          "Patient?_filter=" + url.QueryEscape(strings.Repeat("_id eq a or _id eq b and ", 45)+"_id eq a"),
		"G7.16 a _filter of nothing but parentheses":      "Patient?_filter=" + long("(", 2000),
		"G7.16 a _filter nested in parentheses":           "Patient?_filter=" + long("(", 500) + "_id%20eq%20a" + long(")", 500),
		"G7.16 a _filter nested in brackets":              "Patient?_filter=" + long("link[", 400) + "_id%20eq%20a" + long("]._id%20eq%20a", 20),
		"G7.16 a _filter of nothing but not":              "Patient?_filter=" + long("not(", 500),
		"G7.16 a _filter along a path without end":        "Observation?_filter=" + long("subject.", 200) + "_id%20eq%20a",
		"G7.16 a _filter along all references":            "Observation?_filter=" + long("focus.", 4) + "_id%20eq%20a",
		"G7.16 a _filter of many tests behind references": "Observation?_filter=" + url.QueryEscape("focus["+strings.Repeat("_id eq a or ", 90)+"_id eq a]._id eq a"),
		"G7.16 a _filter with a quote that is not closed": "Patient?_filter=" + url.QueryEscape(`_id eq "`+strings.Repeat(`\"`, 500)),
		"G7.16 a _filter with NUL":                        "Patient?_filter=_id%20eq%20a%00",
		"G7.16 a _filter with NUL in a quote":             "Patient?_filter=" + url.QueryEscape(`_id eq "\u0000"`),
		"G7.16 a _filter that is not UTF-8":               "Patient?_filter=_id%20eq%20%ff",
		"G7.16 a _filter with half a character":           "Patient?_filter=" + url.QueryEscape(`_id eq "\ud800"`),
		"G7.16 a _filter with an operator of a database":  "Patient?_filter=_id%20$ne%20a",
		"G7.16 a _filter with SQL":                        "Patient?_filter=" + url.QueryEscape(`_id eq 'a' or 1=1--`),
		"G7.19 a value set that is a list of thousands":   "Observation?code:in=" + long("urn:x,", 400) + "urn:x",
		"G7.19 a value set at a path":                     "Observation?code:in=..%2f..%2fValueSet%2f1",
		"G7.19 a place beyond the numbers":                "Location?near=1e308%7C1e308%7C1e308",
		"G7.19 a place of hundreds of parts":              "Location?near=" + long("1|", 500) + "1",
		"G7.19 escapes that lead nowhere, by the number":  "Patient?identifier=" + long(`\|`, 500) + "|a|b",
	}
	harmless := map[string]string{
		"G7.19 an operator as text":                    `Patient?_id=` + url.QueryEscape(`{"$gt":""}`),
		"G7.19 an operator in a name":                  "Patient?family=" + url.QueryEscape(`{"$ne":null}`),
		"G7.19 code as text":                           "Patient?family:contains=" + url.QueryEscape(`';return true;var x='`),
		"G7.19 SQL as text":                            "Patient?family=" + url.QueryEscape(`x' OR '1'='1`),
		"G7.19 a regular expression that explodes":     "Patient?family:contains=" + url.QueryEscape(`(a+)+$(a|aa)+^(([a-z])+.)+`),
		"G7.19 a regular expression at the start":      "Patient?family=" + url.QueryEscape(`.*(.*)*x`),
		"G7.19 marks upon marks":                       "Patient?family=" + url.QueryEscape("Q"+strings.Repeat("\u0301\u0308", 400)+"zq"),
		"G7.19 a token of nothing but escapes":         "Patient?identifier=" + long(`\\`, 500),
		"G7.19 hundreds of alternatives, none of them": "Patient?identifier=" + long("q,", 400) + "q",
	}
	slow := 2 * time.Minute // far more than a search takes, far less than one that explodes
	for claim, search := range refused {
		t.Run(claim, func(t *testing.T) {
			began := time.Now()
			a := c.do(t, "GET", search, "")
			if a.StatusCode < 400 || a.StatusCode > 499 {
				t.Errorf("%.100s: %d: %.300s", search, a.StatusCode, a.body)
			}
			if took := time.Since(began); took > slow {
				t.Errorf("took %v", took)
			}
			if len(a.body) > 20_000 {
				t.Errorf("the refusal has %d bytes", len(a.body))
			}
		})
	}
	for claim, search := range harmless {
		t.Run(claim, func(t *testing.T) {
			began := time.Now()
			a := c.do(t, "GET", search, "")
			var b bundle
			if a.StatusCode != 200 || json.Unmarshal(a.body, &b) != nil || len(b.Entry) > 0 {
				t.Errorf("%.100s: %d: %.300s", search, a.StatusCode, a.body)
			}
			if took := time.Since(began); took > slow {
				t.Errorf("took %v", took)
			}
		})
	}
}
