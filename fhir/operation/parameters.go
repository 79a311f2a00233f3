package operation

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// ReadParameters gives the parameters in a Parameters resource that fhir/schema
// accepted (R4 3.2.0.3). All operations here take primitive values only; another
// is refused.
func ReadParameters(body []byte) ([]search.Pair, error) {
	var in struct {
		Parameter []map[string]json.RawMessage `json:"parameter"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fhir.Errorf(fhir.CodeStructure, "Parameters", "The Parameters cannot be read.").Because(err)
	}
	var pairs []search.Pair
	for i, p := range in.Parameter {
		at := fmt.Sprintf("Parameters.parameter[%d]", i)
		var name, value string
		found := false
		for member, raw := range p {
			switch {
			case member == "name":
				if err := json.Unmarshal(raw, &name); err != nil {
					return nil, fhir.Errorf(fhir.CodeStructure, at+".name", "The name must be a string.").Because(err)
				}
			case strings.HasPrefix(member, "value") && raw[0] != '{':
				found = true
				if json.Unmarshal(raw, &value) != nil {
					value = string(raw) // a number or boolean as it is written
				}
			default:
				return nil, fhir.Errorf(fhir.CodeNotSupported, at, "The parameter must have a primitive value, not %q.", member)
			}
		}
		if !found {
			return nil, fhir.Errorf(fhir.CodeStructure, at, "The parameter has no value.")
		}
		pairs = append(pairs, search.Pair{Name: name, Value: value})
	}
	return pairs, nil
}

// malformed is met when a repository gives what is no resource.
func malformed(key fhir.Key, err error) error { return fmt.Errorf("operation: %s: %w", key, err) }
