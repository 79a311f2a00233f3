module github.com/portico-fhir/portico/conformance/oracle

go 1.26.0

require (
	github.com/google/fhir/go v0.7.4
	google.golang.org/protobuf v1.36.6
)

require (
	github.com/golang/protobuf v1.5.4 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
)

replace github.com/portico-fhir/portico => ../..
