// Package join answers what spans several resources: chained parameters and
// _has, which select by what a resource refers to or is referred to by, and
// _include and _revinclude, which add those resources to a page.
//
// [Repository] wraps another that knows none of it. A chain or _has becomes a
// search of its own whose hits are written into the condition: the ids that a
// reference may have, or the ids themselves. Resources are looked at by their JSON
// alone, so it makes no difference whether they are records or come out of a chart
// map, and what the wrapped repository does not show is not looked at either.
//
// A reference counts when it leads to a resource of this server: relative or
// below the base, with a version or without, which stands for the resource. An
// absolute URL leads to the resources here that have it as their canonical url,
// and the version if it names one. Contained resources, logical references and
// other servers do not take part.
//
// Conditions are resolved for each page anew. A page position is that of the
// wrapped repository, so while others write, a resource that comes to match
// behind the position appears, and one in front of it does not: the same as in
// a search without chains.
//
// A chain or _has over a type that the caller may not search is refused, since its
// answer would tell about it; includes of such a type are left out.
//
// Where no order and no total is asked for, a chain that leads to more than a few is not resolved as a
// whole: what refers to the first target comes first, then what refers to the second, and a page takes as
// many as it needs. Its position names the target and the place within. A target that comes to
// meet the condition, or no longer does, takes what refers to it along.
//
// All of it is bounded ([Limits]). What would need more is refused with
// CodeTooCostly, never cut short.
//
// Specification: FHIR R4 3.1.1.4.13 (chains), 3.1.1.4.14 (_has), 3.1.1.5.6
// (_include and _revinclude).
//
// It may import fhir, fhir/path and fhir/schema.
package join
