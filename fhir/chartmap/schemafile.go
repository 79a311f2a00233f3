package chartmap

import _ "embed"

//go:embed chartmap.schema.json
var jsonSchema string

// JSONSchema is the JSON Schema (draft 2020-12) of the chart map, for editors.
// It says what may be written; what makes sense only Load knows.
func JSONSchema() string { return jsonSchema }
