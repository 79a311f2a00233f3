// Package chartmap serves the documents of an EHR as FHIR resources, as a chart
// map says: a YAML file in which one rule for each element gives reading,
// searching and writing.
//
// It owns the language of the chart map (loading, checking, and its JSON Schema
// for editors), the compilation of its rules into lenses, the logical ids of
// mapped resources, and the Repository over them. It does not own the EHR's
// documents: it creates no index, and changes no field but those of the rules. It
// does not decide who may see what, but for release rules (Visible) where a patient or
// proxy acts; it says which security labels a resource has, and checks and keeps Compartment for a guard.
//
// # Rules
//
// A rule stands behind the name of an element. A bare word is a path in the
// document, a mapping of elements is an object, and what starts with $ is a
// directive:
//
//	rule                       get                                     search
//	path, {$from: path}        copy                                    equals, starts with
//	$const: json               always the same                         true or false when compiled
//	$from + $as                convert: int, decimal, boolean,         inverse on the value
//	                           objectId, date, dateTime, instant,
//	                           not, binaryUrl, plusMinutes (of two
//	                           fields), linear {mul, add}
//	  $stored: text|date       how dates are kept: $as: date reads     text is read to be sure
//	                           text (2026-01-31), the others BSON dates
//	  $zone: Area/City         of this rule; else defaults.timezone
//	  $absent: v               when the field is missing or null       adds the missing case
//	  $codes: table            code table; $as: concept or coding,     one of all source codes
//	                           $text: path of the concept's text
//	$ref: Type + $from         Reference to the key in the field       equals the key
//	$refBy + $types + $from    … to the type that a role field names   … and the role
//	  $omitSelf: true          not to the document itself              … and another _id
//	$quantity: path            Quantity with $unit and $ucum, or       range of numbers, and the unit
//	                           $unitFrom: path
//	$list: [a, b]              list of several rules                   any
//	$list1: rule               list of one                             as inside
//	$each: path + $item: rule  one for each element of an array; the   $elemMatch
//	                           path "." is the element itself
//	$slots: [a, b]             list of objects with fixed places       constants decide at once
//	$write: derived            only follows from other rules           as inside
//	$writableBy, $once         (who may write it; once)
//
// An object that is not a resource vanishes when nothing in it comes from the
// document: constants, defaults and derived values alone do not make one.
//
// A map has name, resource, from (collection), where (MongoDB's notation), id,
// version (else a hash of the resource), updated, elements, and fanout:
// one document becomes a resource for each entry that has at least one of its
// fields, with the id "{id}-{suffix}".
//
// With each, the rules read an element of an array at a time, in the place of the array; the
// id is "{id}-{suffix of the array}-{key of the element}". With groupBy they read all documents
// that have a field in common as one: what these agree in, and a list of them. Conditions are
// compiled against what the rules read, lifted to the documents behind it (Mapping.lift, an upper
// bound), and what the store then finds is held against them as they were.
//
// # Writing
//
// Every lens has a put beside its get. A put changes nothing where get gives what
// is wanted; so what is written back changes nothing, and what no rule can read
// stays. The puts may leave something undone: when they are through, the document
// that they would make is mapped again and compared with what was wanted (differ).
// What it lacks becomes an overlay, which is kept beside the document and merged at
// get, or is refused; what it has and should not have is refused, unless the chart
// map itself gives it. What the map says of the document as a whole (where,
// compartment, labels, transitions, fan-out) is looked at between the two.
// docs/chart-map.md says what each directive does.
//
// The changed fields are set on the condition that the document is still what was
// read: its version, or all that the rules read of it. An overlay is stored as
//
//	portico_overflow { _id: <Type>/<id>, v: <number>, o: <overlay as JSON> }
//
// What was made of a document, its overlay included, is kept in memory beside the document's bytes (cache), as an
// overlay changes only together with its document's version and time. A new document gets what onCreate says, numbers of the
// EHR's counters in the same Apply. A change that review names ends with a commit.Pending.
//
// Who acts, for transitions, review and $writableBy, is commit.ActorOf; where it is not known,
// everybody may what somebody may.
//
// # Documents that break the rules
//
// A value that its rule cannot read (another BSON type, an array instead of one
// value, no date, a code that is not known where R4 wants one of its own) is left
// out and reported to Repository.Report. An empty string and null are nothing. A
// required element without a value carries a data-absent-reason. A resource is
// withheld only where its key cannot be an id, or where R4 requires a reference
// of the resource itself (whose order is it?) that the document does not have.
// Keys of more than some 60 characters cannot be ids; such documents are never
// served, but Total counts them.
//
// # Exactness
//
// Search finds precisely the resources whose content matches. A parameter that
// cannot be pushed down exactly is not in Describe, and so refused. Where a
// filter cannot say all (see cond), documents in doubt are read. The test of
// this package holds random searches on random documents against reading every
// resource, on all stores.
//
// Specification: FHIR R4 3.1.1 (Search), 2.24 (data types), 2.5.1.1
// (data-absent-reason).
//
// It may import fhir, fhir/commit, fhir/path, fhir/schema, fhir/search and store.
package chartmap
