// Package authorize is the authorization request, from its parameters to the code, as a
// state machine without pages.
//
// It owns the rules of the request, launches that an EHR begins, and what is to be
// true before a code is made. It does not know how somebody signs in, whom they may
// choose, or what a page looks like: smart/pages does.
//
//	EHR: POST /auth/launch → Launch ─┐ (one-time, 5 minutes)
//	                                 ▼
//	app: GET or POST /auth/authorize → Begin ──► Pending (10 minutes)
//	         │                                     │ login, patient, consent: pages
//	         │ unknown client or redirect URI      ├──► Finish ──► code, state, iss
//	         ▼                                     └──► Deny ────► error, state, iss
//	     PageError: a page, never a redirect;  any other fault: RedirectError
//
// A Pending is not stored: its id is the request itself, sealed with a key that all
// nodes share, so that whoever has not signed in leaves nothing behind. It ends
// once: its trace has a unique _id and is written in the Apply that stores the code. The
// same holds for a launch, which is stored, and which the first request that names it
// uses up. Documents are found by the hash of what the browser has.
//
//	collection         document
//	portico_launches   { _id: <hash>, client, patient?, encounter?, user…?, context: {…}, used, gone }
//	portico_pending    { _id: <hash>, gone }       the requests that are over
//	portico_keys       { _id: "authorize", key }
//
// Specification: SMART App Launch 2.2, App Launch: Launch and Authorization; RFC 6749
// 3.1, 4.1.1, 4.1.2; RFC 7636; RFC 9207; OpenID Connect Core 3.1.2.1, 6; RFC 9700 2.1.
//
// It may import store, fhir, smart/access, smart/client, smart/oauth, smart/scope and
// smart/token.
package authorize
