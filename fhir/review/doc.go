// Package review keeps changes that somebody at the clinic has to look at before the EHR gets them,
// and carries them out, or not, when somebody has.
//
// Which changes those are the chart map says (review); its repository refuses them with a
// [commit.Pending], after everything else about them was found to be right. Repository, which stands
// before it, makes a Task of such a change, in the same commit with what was put beside it, and tells the writer
// that nothing has changed yet (fhir.Proposed).
//
// A proposal is a Task of Portico's own:
//
//	status      requested; received or on-hold as its readers like; then completed or rejected, for good
//	code        System|review
//	focus, for  what is to be changed, and the patient whose it is
//	requester   who wants it
//	input       method, role and self of the writer, the elements, and the resource as it was (basis) and as
//	            it is to be (content), as attachments of FHIR JSON
//	output      what became of it: a reference to the resource
//
// An update of its status to completed carries the change out as the writer's, in the same commit with
// the update: all or nothing. What was changed in the EHR meanwhile stays; where that is the same elements, the
// update is refused. To rejected, it ends without one. Nothing else of a proposal can be changed,
// nobody else makes or deletes one, and patients and proxies do not decide.
//
// It does not decide who sees Tasks. It may import fhir and fhir/commit.
//
// Specification: FHIR R4 Task (10.0), 3.1.0.4 (update), RFC 9110 15.3.3 (202 Accepted).
package review
