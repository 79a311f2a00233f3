package suite

import (
	"slices"
	"testing"
)

// Run tests the server at a FHIR base URL. With types it looks at the searches of
// these only.
func Run(t *testing.T, base string, types ...string) {
	c := newClient(base)
	var can capability
	c.do(t, "GET", "metadata", "").want(t, 200).into(t, &can)
	if len(can.Rest) != 1 || len(can.Rest[0].Resource) == 0 {
		t.Fatal("the CapabilityStatement declares no resources")
	}
	if len(types) > 0 {
		can.Rest[0].Resource = slices.DeleteFunc(can.Rest[0].Resource, func(k kind) bool { return !slices.Contains(types, k.Type) })
	}
	t.Run("capabilities", func(t *testing.T) { capabilities(t, c, can) })
	t.Run("negotiation", func(t *testing.T) { negotiation(t, c) })
	t.Run("writing", func(t *testing.T) {
		if r := can.kind("Basic"); r == nil || !r.does("create", "update", "delete", "read", "vread", "history-instance") {
			t.Skip("the server cannot write Basic")
		}
		writing(t, c, can.kind("Basic").ConditionalDelete == "multiple")
		bundles(t, c, can.Rest[0].Interaction)
		once(t, c)
		deferred(t, c)
		t.Run("meta", func(t *testing.T) { tagging(t, c, can.kind("Basic")) })
		if k := can.kind("Provenance"); k != nil && k.does("create", "update") && k.searchesBy("target") {
			origins(t, c)
		}
		if can.kind("Basic").ConditionalDelete == "multiple" {
			deletingMany(t, c)
		}
		if slices.Contains(can.kind("Basic").ReferencePolicy, "enforced") {
			whole(t, c)
		}
	})
	t.Run("parameters", func(t *testing.T) {
		p, b := can.kind("SearchParameter"), can.kind("Basic")
		if p == nil || !p.UpdateCreate || !p.does("update", "delete") || b == nil || !b.does("create", "delete", "search-type") {
			t.Skip("the server cannot write SearchParameter and Basic")
		}
		parameters(t, c)
	})
	t.Run("history", func(t *testing.T) { histories(t, c, can) })
	t.Run("validate", func(t *testing.T) { validating(t, c, can) })
	t.Run("tables", func(t *testing.T) { tables(t, c, can) })
	t.Run("hostile", func(t *testing.T) {
		if p := can.kind("Patient"); p == nil || !p.searchesBy("family") {
			t.Skip("the server does not search Patient by family")
		}
		hostile(t, c)
	})
	for _, r := range can.Rest[0].Resource {
		if r.does("search-type") {
			t.Run("searching "+r.Type, func(t *testing.T) { searching(t, c, r) })
			t.Run("shaping "+r.Type, func(t *testing.T) { shaping(t, c, r) })
			if r.searchesBy("_filter") && r.searchesBy("_id") {
				t.Run("filtering "+r.Type, func(t *testing.T) { filtering(t, c, r) })
			}
		}
	}
	if k := can.kind("Patient"); k != nil && k.does("search-type") {
		t.Run("records", func(t *testing.T) { records(t, c, can) })
	}
}

// capability is what the cases read of the CapabilityStatement.
type capability struct {
	ResourceType, FHIRVersion, Kind, Status, Date string
	Format                                        []string
	Software                                      struct{ Name string }
	Implementation                                struct{ URL string }
	Rest                                          []struct {
		Mode        string
		Interaction []struct{ Code string } // on the whole server
		Resource    []kind
	}
}

// kind is what is declared about one type.
type kind struct {
	Type        string
	Interaction []struct{ Code string }
	SearchParam []struct{ Name, Type, Documentation string }
	Operation   []struct{ Name string }
	// UpdateCreate says that a PUT makes what is not there.
	UpdateCreate bool

	ConditionalDelete string
	ReferencePolicy   []string
}

func (c capability) kind(name string) *kind {
	for i, r := range c.Rest[0].Resource {
		if r.Type == name {
			return &c.Rest[0].Resource[i]
		}
	}
	return nil
}

func (k kind) does(codes ...string) bool {
	for _, code := range codes {
		if !slices.ContainsFunc(k.Interaction, func(i struct{ Code string }) bool { return i.Code == code }) {
			return false
		}
	}
	return true
}

func (k kind) searchesBy(name string) bool {
	return slices.ContainsFunc(k.SearchParam, func(p struct{ Name, Type, Documentation string }) bool { return p.Name == name })
}
