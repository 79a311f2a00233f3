package schema

//go:generate go run -C ../../conformance/oracle ./gen ../../fhir/schema/tables_gen.go ../../fhir/type_gen.go
