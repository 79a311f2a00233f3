// Package job keeps requests that are carried out behind the client's back, and what
// became of them, so that neither is lost when a process ends.
//
//	portico_jobs { _id, by: <caller>, st: <state>, ts, beat, node, n: <attempts>, req: <request without its body>,
//	               in: <parts>, out: <parts>, code: <status of the answer>, at: <progress> }
//	portico_job_parts { _id: "<job>/in/<number>" or "<job>/out/<number>", data, ts }
//
// A job waits for the node that it was submitted to, since only that one knows the values of the context,
// as who the caller is. While it waits and is carried out, its node says every few seconds that it is there.
// A node that falls silent has lost its jobs, which the next one carries out: a job must therefore
// be such that doing it twice does it once, as fhir/receipt makes a request. One that was
// broken off again and again is given up. Bodies are kept in parts, since a document has a largest
// size. Jobs, with their answers, expire.
//
// It owns the life of jobs and their bounds. What is in a request and how it is carried out, is
// the edge's.
//
// Specification: R4 3.1.6 (asynchronous request pattern).
//
// It may import fhir, fhir/commit and store.
package job
