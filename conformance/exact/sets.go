package exact

import "slices"

// Terminology gives a code system and value sets for :in, :not-in, :above and :below.
func Terminology() []Resource {
	set := func(id, compose string) Resource {
		return Resource{Type: "ValueSet", ID: id, Body: `{"url":"urn:set:` + id + `","status":"active","compose":` + compose + `}`}
	}
	return []Resource{
		{"CodeSystem", "tree", `{"url":"urn:a","status":"active","content":"complete","caseSensitive":true,"hierarchyMeaning":"is-a",
			"concept":[{"code":"1","concept":[{"code":"2"},{"code":"A","concept":[{"code":"a"}]}]},{"code":"A1"},{"code":"x y"}]}`},
		set("few", `{"include":[{"system":"urn:a","concept":[{"code":"1"},{"code":"a"}]},{"system":"urn:b","concept":[{"code":"2"}]}]}`),
		set("below", `{"include":[{"system":"urn:a","filter":[{"property":"concept","op":"is-a","value":"A"}]}]}`),
		set("whole", `{"include":[{"system":"urn:b"}]}`),
		set("less", `{"include":[{"valueSet":["urn:set:few"]}],"exclude":[{"system":"urn:a","concept":[{"code":"1"}]}]}`),
	}
}

// members are the codings of the value sets; a system alone stands for all of its codes.
func members(set string) []string {
	return map[string][]string{
		"urn:set:few": {"urn:a|1", "urn:a|a", "urn:b|2"}, "urn:set:below": {"urn:a|A", "urn:a|a"},
		"urn:set:whole": {"urn:b"}, "urn:set:less": {"urn:a|a", "urn:b|2"},
	}[set]
}

// placed are the codes that stand in the tree, each with those below it, itself among them.
func placed() map[string][]string {
	return map[string][]string{
		"urn:a|1": {"1", "2", "A", "a"}, "urn:a|2": {"2"}, "urn:a|A": {"A", "a"}, "urn:a|a": {"a"}, "urn:a|A1": {"A1"}, "urn:a|x y": {"x y"},
	}
}

// inSet decides one coding of a code or concept.
func inSet(system, code, modifier, want string) bool {
	switch modifier {
	case "in":
		return slices.Contains(members(want), system+"|"+code) || slices.Contains(members(want), system) && code != ""
	case "below":
		return system == "urn:a" && slices.Contains(placed()[want], code)
	}
	return system == "urn:a" && slices.Contains(placed()["urn:a|"+code], want[len("urn:a|"):])
}
