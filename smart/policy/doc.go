// Package policy holds who may see and do what, as data: whose record a resource is
// part of, what makes somebody treat a patient, what a proxy may do at which age
// of the patient, and what patients may write.
//
// It owns the format of that data with its defaults (default.yaml), and the
// arithmetic of ages. It looks nothing up and decides no request: smart/guard does
// that by it.
//
// Everything is denied that the data does not permit. Age is computed when it is
// asked for, in the zone of the clinic: a new band starts at 00:00 on the birthday,
// on 28 February for those born on the 29th in years without one, and counts from
// the earliest day that a partial date of birth may mean.
//
// It may import fhir, fhir/search and smart/scope.
package policy
