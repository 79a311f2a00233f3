// Package oauth is what the protocol packages of the authorization server have in
// common: the error that a client is told about, and parameters that are sent once.
//
// It owns the codes of errors and how a form and an Authorization header are read.
// It does not know clients or tokens; smart/server writes errors as JSON, and
// smart/authorize as redirects.
//
// Specification: RFC 6749 3.1, 3.2, 4.1.2.1, 5.2; RFC 6750 3.1; OpenID
// Connect Core 3.1.2.6; RFC 7617.
//
// It imports none of Portico's packages.
package oauth
