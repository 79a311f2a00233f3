package pages

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
)

//go:embed messages/*.yaml
var messageFiles embed.FS

// catalogue holds the messages of one language.
type catalogue struct {
	tag      language.Tag
	messages map[string]string
}

// defaultLanguage is taken when there is none that the person reads.
const defaultLanguage = "en"

// loadCatalogues reads the messages of all languages, the default first.
func loadCatalogues() ([]*catalogue, error) {
	names, err := fs.Glob(messageFiles, "messages/*.yaml")
	if err != nil {
		return nil, err
	}
	var all []*catalogue
	for _, name := range names {
		data, err := messageFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		c := &catalogue{}
		if err := yaml.Unmarshal(data, &c.messages); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if c.tag, err = language.Parse(strings.TrimSuffix(path.Base(name), ".yaml")); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b *catalogue) int {
		first := func(c *catalogue) int {
			if c.tag.String() == defaultLanguage {
				return 0
			}
			return 1
		}
		return first(a) - first(b)
	})
	return all, nil
}

// has reports whether there is a message of this key.
func (c *catalogue) has(key string) bool { return c.messages[key] != "" }

// text gives a message with its placeholders filled: name, value, name, value.
// An error is a mistake in the program or in the catalogue.
func (c *catalogue) text(key string, pairs ...any) (string, error) {
	s, ok := c.messages[key]
	if !ok || len(pairs)%2 != 0 {
		return "", fmt.Errorf("there is no message %q, or a value too few", key)
	}
	if len(pairs) == 0 {
		return s, nil
	}
	old := make([]string, len(pairs))
	for i, p := range pairs {
		old[i] = fmt.Sprint(p)
		if i%2 == 0 {
			old[i] = "{" + old[i] + "}"
		}
	}
	return strings.NewReplacer(old...).Replace(s), nil
}

// say is text where the key is known to be there.
func (c *catalogue) say(key string, pairs ...any) string {
	s, err := c.text(key, pairs...)
	if err != nil {
		return key
	}
	return s
}

// date writes a FHIR date of whatever precision.
func (c *catalogue) date(s string) string {
	parts := strings.Split(s, "-")
	var year, month, day int
	for i, p := range []*int{&year, &month, &day} {
		if i < len(parts) {
			if _, err := fmt.Sscanf(parts[i], "%d", p); err != nil {
				return s
			}
		}
	}
	switch {
	case month < 0 || month > 12:
		return s
	case day > 0 && month > 0:
		return c.say("day", "day", day, "month", c.say(fmt.Sprint("month.", month)), "year", year)
	case month > 0:
		return c.say("month-year", "month", c.say(fmt.Sprint("month.", month)), "year", year)
	}
	return s
}

// day writes the day of a moment.
func (c *catalogue) day(t time.Time) string { return c.date(t.Format(time.DateOnly)) }

// duration writes how long to wait, rounded up.
func (c *catalogue) duration(d time.Duration) string {
	unit, n := "seconds", int((d+time.Second-1)/time.Second)
	if n >= 90 {
		unit, n = "minutes", int((d+time.Minute-1)/time.Minute)
	}
	if n <= 1 {
		return c.say(unit + ".1")
	}
	return c.say(unit+".n", "n", n)
}

// choose gives the catalogue for the languages that somebody asks for, in the form
// of the parameter ui_locales and of the header Accept-Language.
func choose(all []*catalogue, locales, accept string) *catalogue {
	var wanted []language.Tag
	for _, s := range strings.Fields(bounded(locales)) {
		if tag, err := language.Parse(s); err == nil {
			wanted = append(wanted, tag)
		}
	}
	if tags, _, err := language.ParseAcceptLanguage(bounded(accept)); err == nil {
		wanted = append(wanted, tags...)
	}
	tags := make([]language.Tag, len(all))
	for i, c := range all {
		tags[i] = c.tag
	}
	_, i, confidence := language.NewMatcher(tags).Match(wanted...)
	if confidence == language.No {
		i = 0
	}
	return all[i]
}

// bounded keeps what parses languages from long texts.
func bounded(s string) string {
	if len(s) > 200 {
		return ""
	}
	return s
}
