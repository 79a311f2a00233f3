// Command portico serves an EHR kept in MongoDB, or in one file, as SMART on
// FHIR R4.
//
// It owns flags, configuration and the wiring of the packages; what they do is
// theirs. Its subcommands are a contract that scripts rely on:
//
//	portico serve     answer FHIR requests
//	portico load      bring in resources, Bundles and NDJSON
//	portico chart     check a chart map
//	portico explain   say how the store answers a search
//	portico reindex   make the index entries of records again
//	portico purge     remove old versions of records for good
//	portico review    decide about changes that wait for the clinic
//	portico user      administer the accounts of people
//	portico client    administer registered apps
//	portico bench     measure this machine
//	portico keys      administer the keys that id tokens are signed with
//	portico version   say what this is
//
// What is wanted of a store is an errand. With an embedded store that a server has open, the server
// carries it out, at its desk (package desk); else the command opens the store itself.
//
// It exits with 0 when all went well, 1 when something failed, 2 when it was
// called wrongly.
package main
