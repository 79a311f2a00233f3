// Package router joins two repositories into one: types that the chart map maps
// live in the EHR, all others in Portico's records.
//
// It decides by type alone and knows nothing of how either keeps resources.
//
// It may import fhir and fhir/commit.
package router
