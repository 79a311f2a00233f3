package exact

import (
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// What resources and searches are made of: few things, so that they meet.
func words() []string {
	long := strings.Repeat("long ", 24)
	return []string{
		"Müller", "Muller", "Mu\u0308ller", "MULL", "muell", "René", "rene", "Weiß", "weisser", "Øst", "ost", "Smith, John", "Smith", `a|b$c\d`, "a|b",
		"Mary  Jane", "mary jane w", "O'Brien", "%", "m", long + "x", long + "y", long,
	}
}

func codes() []string {
	return []string{"1", "2", "A", "a", "A1", "x y", `p|q,r$s\t`, strings.Repeat("c", 120) + "1", strings.Repeat("c", 120) + "2"}
}

func systems() []string { return []string{"urn:a", "urn:b", "http://example.org/a|b", ""} }

func dates() []string {
	return []string{
		"2023", "2024", "2024-03", "2024-04", "2024-10", "2024-03-30", "2024-03-31", "2024-04-01", "2024-10-26", "2024-10-27", "2024-10-28", "2024-01-01",
		"2023-12-31T22:59:59Z", "2023-12-31T23:00:00Z", "2024-03-30T23:00:00Z", "2024-03-31T01:59:59+01:00", "2024-03-31T03:00:00+02:00", "2024-03-31T21:59:59.999Z",
		"2024-03-31T22:00:00Z", "2024-03-31T22:00:00.500Z", "2024-10-27T22:59:59Z", "2024-10-27T23:00:00Z", "2024-10-27T18:00:00-05:00", "1999-12-31", "2031-07-01",
	}
}

func numbers() []string {
	return []string{"0", "5", "5.0", "5.4", "5.40", "5.44", "5.45", "5.35", "-5.4", "-5", "4.5", "5.5", "99.5", "100", "100.49", "100.5", "0.0054", "1234567890.123"}
}

// source draws parts of resources.
type source struct{ *rapid.T }

func (s source) of(list []string) string { return list[s.even(len(list))] }

// even draws a number below n, each as often as any other: rapid by itself prefers small
// ones.
func (s source) even(n int) int {
	h := uint32(2166136261)
	for range 4 {
		h = (h ^ rapid.Uint32().Draw(s.T, "which")) * 2654435761
	}
	return int(h>>16) % n
}

func (s source) chance() bool { return rapid.Bool().Draw(s.T, "there") }

// some gives up to two of what f makes, nil for none.
func (s source) some(f func() any) any {
	var list []any
	for range rapid.IntRange(0, 2).Draw(s.T, "n") {
		list = append(list, f())
	}
	if list == nil {
		return nil
	}
	return list
}

// maybe gives what f makes, or nil.
func (s source) maybe(f func() any) any {
	if s.chance() {
		return f()
	}
	return nil
}

func (s source) word() any { return s.of(words()) }

func (s source) coding() any {
	c := Object{"code": s.of(codes())}
	if system := s.of(systems()); system != "" {
		c["system"] = system
	}
	if s.chance() {
		c["display"] = s.of(words())
	}
	return c
}

func (s source) concept() any {
	c := Object{"coding": s.some(s.coding)}
	if c["coding"] == nil || s.chance() {
		c["text"] = s.of(words())
	}
	return c
}

func (s source) identifier() any {
	id := Object{"value": s.of(codes())}
	if system := s.of(systems()); system != "" {
		id["system"] = system
	}
	if s.chance() {
		id["type"] = s.concept()
	}
	return id
}

func (s source) contact() any {
	return Object{"system": s.of([]string{"phone", "email", "fax"}), "value": s.of(codes())}
}

func (s source) name() any {
	return Object{"use": "official", "family": s.of(words()), "given": s.some(s.word), "suffix": s.some(s.word), "text": s.maybe(s.word)}
}

func (s source) address() any {
	return Object{"use": "home", "line": s.some(s.word), "city": s.of(words()), "country": s.maybe(s.word)}
}

// reference refers to one of three resources of a type, in one of the ways that R4 has.
func (s source) reference(types ...string) func() any {
	return func() any {
		to := s.of(types) + "/" + s.of([]string{"t1", "t2", "t22"})
		r := Object{"reference": to}
		switch rapid.IntRange(0, 8).Draw(s.T, "form") {
		case 0:
			r["reference"] = base + "/" + to
		case 1:
			r["reference"] = to + "/_history/3"
		case 2:
			r["reference"] = "http://elsewhere.example.org/" + to
		case 3:
			r = Object{"identifier": s.identifier()}
		case 4:
			r["identifier"] = s.identifier()
		case 5:
			r["reference"] = "urn:uuid:c757873d-ec9a-4326-a141-556f4323952" + s.of([]string{"0", "1"})
		}
		return r
	}
}

func (s source) bool() any { return s.chance() }

// date is a whole day or coarser where only that is allowed.
func (s source) day() any {
	d, _, _ := strings.Cut(s.of(dates()), "T")
	return d
}

func (s source) date() any { return s.of(dates()) }

// instant has at least seconds.
func (s source) instant() any {
	var long []string
	for _, d := range dates() {
		if strings.Contains(d, "T") {
			long = append(long, d)
		}
	}
	return s.of(long)
}

// period has ends that are in order whatever they are.
func (s source) period() any {
	ends := dates()[:4]
	if s.chance() {
		ends = []string{"2024-03-31T10:00:00Z", "2024-03-31T22:00:00Z", "2024-10-27T22:59:59Z"}
	}
	i := rapid.IntRange(0, len(ends)-1).Draw(s.T, "start")
	j := rapid.IntRange(i, len(ends)-1).Draw(s.T, "end")
	switch rapid.IntRange(0, 3).Draw(s.T, "open") {
	case 0:
		return Object{"start": ends[i]}
	case 1:
		return Object{"end": ends[j]}
	}
	return Object{"start": ends[i], "end": ends[j]}
}

func (s source) timing() any { return Object{"event": []any{s.date(), s.date()}} }

// number is written as it stands.
type number string

func (n number) MarshalJSON() ([]byte, error) { return []byte(n), nil }

func (s source) quantity() any {
	q := Object{"value": number(s.of(numbers()))}
	switch rapid.IntRange(0, 2).Draw(s.T, "unit") {
	case 0:
		q["unit"] = s.of([]string{"mg", "milligram"})
	case 1:
		q["system"], q["code"], q["unit"] = "http://unitsofmeasure.org", s.of([]string{"mg", "g"}), s.of([]string{"mg", "milligram"})
	}
	return q
}

func (s source) age() any {
	n := strings.TrimPrefix(s.of(numbers()), "-")
	if n == "0" {
		n = "1"
	}
	return Object{"value": number(n), "system": "http://unitsofmeasure.org", "code": "a", "unit": "years"}
}

// places are far from each other, at the poles and the antimeridian, too; and distances are
// of no two of them.
func places() [][2]string {
	return [][2]string{
		{"59.91", "10.75"}, {"60.39", "5.32"}, {"59.33", "18.07"}, {"-33.87", "151.21"}, {"89.9", "0"}, {"89.9", "180"}, {"0", "179.99"}, {"0", "-179.99"},
	}
}

func distances() []string { return []string{"1", "5", "30", "100", "350", "500", "9000", "20100"} }

func (s source) position() any {
	p := rapid.SampledFrom(places()).Draw(s.T, "place")
	return Object{"latitude": number(p[0]), "longitude": number(p[1])}
}

func (s source) narrative() any {
	return Object{"status": "additional", "div": `<div xmlns="http://www.w3.org/1999/xhtml"><p>` + html.EscapeString(s.of(words())) + "</p></div>"}
}

// own gives what parameters of one's own look for.
func (s source) own(r Object, typ string) {
	one := func(url, name string, value any) any { return Object{"url": url, name: value} }
	var all []any
	add := func(e func() any) {
		if s.chance() {
			all = append(all, e())
		}
	}
	switch typ {
	case "Patient", "Observation":
		add(func() any { return one("urn:mood", "valueCode", s.of([]string{"1", "2", "A", "a"})) })
		add(func() any { return one("urn:mood", "valueCoding", s.coding()) })
	}
	switch typ {
	case "Patient":
		add(func() any { return one("urn:friend", "valueReference", s.reference("Patient")()) })
	case "Observation":
		add(func() any { return one("urn:weight", "valueQuantity", s.quantity()) })
		for range 2 {
			add(func() any {
				return Object{"url": "urn:dose", "extension": []any{one("of", "valueCoding", s.coding()), one("much", "valueQuantity", s.quantity()), one("when", "valueDateTime", s.date())}}
			})
		}
		add(func() any { return Object{"url": "urn:dose", "extension": []any{one("of", "valueCoding", s.coding())}} })
		r["note"] = s.some(func() any { return Object{"text": s.word(), "time": s.maybe(s.date)} })
	}
	if all != nil {
		r["extension"] = all
	}
}

// resource draws one of a type; members that are nil are left out.
func (s source) resource(typ string) Object {
	statuses := map[string][]string{
		"Observation": {"final", "amended", "preliminary"}, "Encounter": {"finished", "planned"}, "MedicationRequest": {"active", "stopped"},
		"Appointment": {"booked", "pending"}, "Communication": {"completed", "in-progress"}, "Location": {"active", "inactive"},
	}
	r := Object{"identifier": s.some(s.identifier), "text": s.maybe(s.narrative)}
	s.own(r, typ)
	if list := statuses[typ]; list != nil {
		r["status"] = s.of(list)
	}
	gender := func() any { return s.of([]string{"male", "female", "other"}) }
	subject := s.reference("Patient", "Patient", "Group")
	switch typ {
	case "Patient":
		r["name"], r["address"], r["telecom"], r["gender"], r["birthDate"] = s.some(s.name), s.some(s.address), s.some(s.contact), s.maybe(gender), s.maybe(s.day)
		r["active"], r["deceasedDateTime"], r["managingOrganization"] = s.maybe(s.bool), s.maybe(s.date), s.maybe(s.reference("Organization"))
		r["generalPractitioner"] = s.some(s.reference("Practitioner", "Organization"))
		r["communication"] = s.some(func() any { return Object{"language": s.concept()} })
	case "Observation":
		r["code"], r["category"], r["subject"], r["encounter"] = s.concept(), s.some(s.concept), s.maybe(subject), s.maybe(s.reference("Encounter"))
		r["performer"] = s.some(s.reference(people...))
		s.choice(r, map[string]func() any{"effectiveDateTime": s.date, "effectivePeriod": s.period, "effectiveTiming": s.timing, "effectiveInstant": s.instant})
		s.choice(r, map[string]func() any{"valueQuantity": s.quantity, "valueCodeableConcept": s.concept, "valueString": s.word})
		r["component"] = s.some(func() any { return Object{"code": s.concept(), "valueQuantity": s.maybe(s.quantity)} })
		if shared(r) {
			delete(r, "component") // obs-7
		}
	case "Encounter":
		r["class"], r["type"], r["period"], r["subject"] = s.coding(), s.some(s.concept), s.maybe(s.period), s.maybe(subject)
		r["length"] = s.maybe(func() any {
			return Object{"value": number(s.of(numbers())), "system": "http://unitsofmeasure.org", "code": s.of([]string{"min", "h"}), "unit": "time"}
		})
		r["participant"] = s.some(func() any { return Object{"individual": s.reference("Practitioner", "PractitionerRole")()} })
		r["location"] = s.some(func() any { return Object{"location": s.reference("Location")()} })
	case "Condition":
		r["code"], r["category"], r["subject"], r["encounter"] = s.maybe(s.concept), s.some(s.concept), subject(), s.maybe(s.reference("Encounter"))
		clinical := func() any {
			return Object{"coding": []any{Object{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": s.of([]string{"active", "recurrence"})}}}
		}
		r["clinicalStatus"], r["recordedDate"] = clinical(), s.maybe(s.date)
		s.choice(r, map[string]func() any{"onsetDateTime": s.date, "onsetPeriod": s.period, "onsetAge": s.age, "onsetString": s.word})
	case "MedicationRequest":
		r["subject"], r["encounter"], r["category"] = subject(), s.maybe(s.reference("Encounter")), s.some(s.concept)
		r["intent"], r["authoredOn"] = s.of([]string{"order", "plan", "proposal"}), s.maybe(s.date)
		r["medicationReference"] = s.maybe(s.reference("Medication"))
		if r["medicationReference"] == nil {
			r["medicationCodeableConcept"] = s.concept()
		}
		r["dosageInstruction"] = s.some(func() any { return Object{"timing": s.timing()} })
	case "Appointment":
		r["start"], r["end"] = s.of([]string{"2024-03-31T00:30:00+01:00", "2024-03-30T23:29:00Z", "2024-03-31T22:00:00Z"}), "2024-04-01T10:00:00Z"
		participant := func() any {
			return Object{"actor": s.reference("Patient", "Practitioner", "Location")(), "status": s.of([]string{"accepted", "declined"})}
		}
		r["participant"] = []any{participant(), participant()}
	case "Communication":
		r["subject"], r["encounter"], r["category"] = s.maybe(subject), s.maybe(s.reference("Encounter")), s.some(s.concept)
		r["sent"], r["received"], r["sender"], r["recipient"] = s.maybe(s.date), s.maybe(s.date), s.maybe(s.reference(people...)), s.some(s.reference(people...))
		r["instantiatesCanonical"], r["instantiatesUri"] = s.some(s.canonical), s.some(s.url)
	case "Practitioner":
		r["name"], r["telecom"], r["gender"], r["active"] = s.some(s.name), s.some(s.contact), s.maybe(gender), s.maybe(s.bool)
	case "Organization":
		r["name"], r["alias"], r["type"], r["address"], r["partOf"], r["active"] = s.word(), s.some(s.word), s.some(s.concept), s.some(s.postal), s.maybe(s.reference("Organization")), s.maybe(s.bool)
	case "Location":
		r["name"], r["alias"], r["type"], r["address"], r["managingOrganization"] = s.word(), s.some(s.word), s.some(s.concept), s.maybe(s.address), s.maybe(s.reference("Organization"))
		r["position"] = s.maybe(s.position)
	}
	return tidy(r).(Object)
}

// shared reports whether a component has a coding of the whole.
func shared(r Object) bool {
	for _, c := range at(r, "component", "code", "coding") {
		for _, own := range at(r, "code", "coding") {
			if get(c, "code") == get(own, "code") && get(c, "system") == get(own, "system") {
				return true
			}
		}
	}
	return false
}

// postal is an address that is nobody's home.
func (s source) postal() any {
	a := s.address().(Object)
	a["use"] = "work"
	return a
}

// choice sets one of the members, or none.
func (s source) choice(r Object, members map[string]func() any) {
	names := []string{""}
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	if name := s.of(names); name != "" {
		r[name] = members[name]()
	}
}

func (s source) canonical() any {
	return s.of([]string{"http://example.org/P/a", "http://example.org/P/a|1", "http://example.org/P/a|2", "http://example.org/P/b|1"})
}

func (s source) url() any {
	return s.of([]string{"http://example.org", "http://example.org/a", "http://example.org/a/b", "http://example.org/ab", "urn:x:1"})
}

// tidy drops what is nil.
func tidy(v any) any {
	switch v := v.(type) {
	case Object:
		out := Object{}
		for k, e := range v {
			if e != nil {
				out[k] = tidy(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = tidy(e)
		}
		return out
	}
	return v
}

// value draws an alternative for a parameter.
func (s source) value(a Attribute, modifier string) string {
	systemCode := func() string {
		c := escaper.Replace(s.of(codes()))
		sys := escaper.Replace(s.of(systems()[:3]))
		return rapid.SampledFrom([]string{c, sys + "|" + c, "|" + c, sys + "|"}).Draw(s.T, "token")
	}
	switch {
	case modifier == "missing":
		return s.of([]string{"true", "false"})
	case modifier == "in" || modifier == "not-in":
		return s.of([]string{"urn:set:few", "urn:set:below", "urn:set:whole", "urn:set:less"})
	case modifier == "above" && a.Kind == "token" || modifier == "below" && a.Kind == "token":
		return s.of(slices.Sorted(maps.Keys(placed())))
	case a.Kind == "words":
		return s.words()
	case a.Kind == "near":
		p := rapid.SampledFrom(places()).Draw(s.T, "place")
		return p[0] + "|" + p[1] + "|" + s.of(distances()) + s.of([]string{"", "|", "|km"})
	case modifier == "identifier":
		return systemCode()
	case modifier == "of-type":
		return escaper.Replace(s.of(systems()[:3])) + "|" + escaper.Replace(s.of(codes())) + "|" + escaper.Replace(s.of(codes()))
	case modifier == "text" || a.Kind == "string":
		w := s.of(words())
		from := 0
		if modifier == "contains" {
			from = rapid.IntRange(0, min(2, len([]rune(w))-1)).Draw(s.T, "from")
		}
		to := rapid.IntRange(from+1, len([]rune(w))).Draw(s.T, "to")
		if modifier == "exact" || s.chance() {
			to = len([]rune(w))
		}
		w = string([]rune(w)[from:to])
		if plain(w) == "" {
			w = "m" // marks alone
		}
		if s.chance() && modifier != "exact" {
			w = strings.ToUpper(w)
		}
		return escaper.Replace(w)
	}
	prefix := s.of([]string{"", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})
	switch a.Kind {
	case "token":
		known := map[string][]string{
			"gender": {"male", "female"}, "active": {"true", "false"}, "status": {"final", "finished", "active", "booked", "completed"},
			"intent": {"order", "plan"}, "part-status": {"accepted", "declined"}, "clinical-status": {"active", "http://terminology.hl7.org/CodeSystem/condition-clinical|recurrence"},
		}
		if list := known[a.Name]; list != nil {
			return s.of(list)
		}
		return systemCode()
	case "date":
		return prefix + s.of(append(dates(), "2024-03-31T03:00+02:00", "2024-03-31T12:00"))
	case "quantity":
		return prefix + s.of(numbers()) + s.of([]string{"", "||mg", "||milligram", "|http://unitsofmeasure.org|mg", "|http://unitsofmeasure.org|a", "|urn:x|mg"})
	case "canonical":
		return strings.ReplaceAll(s.canonical().(string), "|", s.of([]string{"|", `\|`}))
	case "uri":
		return s.url().(string) + s.of([]string{"", "", "/x"})
	case "reference":
		id := s.of([]string{"t1", "t2", "t22"})
		typ := a.Only
		if typ == "" {
			typ = s.of(a.Targets)
		}
		if modifier != "" {
			return id
		}
		return s.of([]string{id, typ + "/" + id, base + "/" + typ + "/" + id, "http://elsewhere.example.org/" + typ + "/" + id, "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"})
	}
	var parts []string
	for _, p := range a.Parts {
		parts = append(parts, s.value(p, ""))
	}
	return strings.Join(parts, "$")
}

// words draws a full-text search.
func (s source) words() string {
	phrase := func() []string {
		for {
			if w := wordsOf(s.of(append(words(), codes()...))); len(w) > 0 {
				return w
			}
		}
	}
	one := func() string {
		w := s.of(phrase())
		if s.chance() {
			w = strings.ToUpper(w)
		}
		return w
	}
	switch rapid.IntRange(0, 5).Draw(s.T, "form") {
	case 0:
		return one() + " " + one()
	case 1:
		return one() + " OR " + one()
	case 2:
		return `"` + strings.Join(phrase(), " ") + `"`
	case 3:
		w := []rune(one())
		return string(w[:rapid.IntRange(1, len(w)).Draw(s.T, "to")]) + "*"
	case 4:
		return one() + " NOT " + one()
	}
	return one()
}

// criterion draws a parameter with a modifier and some alternatives.
func (s source) criterion(attributes []Attribute) (a Attribute, modifier, value string) {
	a = attributes[s.even(len(attributes))]
	modifiers := map[string][]string{
		"string": {"exact", "contains"}, "token": {"not", "text"}, "reference": append([]string{"identifier"}, a.Targets...), "uri": {"above", "below"},
	}[a.Kind]
	switch {
	case a.Name == "identifier":
		modifiers = append(modifiers, "of-type")
	case slices.Contains([]string{"code", "category", "class", "type", "value-concept", "combo-code", "component-code", "language", "mood"}, a.Name):
		modifiers = append(modifiers, "in", "not-in", "above", "below")
	}
	if a.Kind != "words" {
		modifiers = append(modifiers, "missing")
	}
	if len(modifiers) > 0 && rapid.IntRange(0, 2).Draw(s.T, "modified") == 0 {
		modifier = modifiers[s.even(len(modifiers))]
	}
	alternatives := 1
	if modifier != "missing" {
		alternatives = rapid.IntRange(1, 3).Draw(s.T, "alternatives")
	}
	var values []string
	for range alternatives {
		values = append(values, s.value(a, modifier))
	}
	return a, modifier, strings.Join(values, ",")
}

func id(i int) string { return fmt.Sprintf("r%d", i) }
