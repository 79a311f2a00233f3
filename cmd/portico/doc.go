// Command portico serves an EHR kept in MongoDB, or in one file, as SMART on
// FHIR R4.
//
// It owns flags, configuration and the wiring of the packages; what they do is
// theirs. Its subcommands are a contract that scripts rely on:
//
//	portico serve     answer FHIR requests
//	portico load      bring in resources, Bundles and NDJSON
//	portico chart     check a chart map
//	portico user      administer the accounts of people
//	portico client    administer registered apps
//	portico bench     measure this machine
//	portico version   say what this is
//
// It exits with 0 when all went well, 1 when something failed, 2 when it was
// called wrongly.
package main
