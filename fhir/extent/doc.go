// Package extent tells where values are in JSON text that was found to be valid
// before, so that resources are cut and put together as the bytes that they are.
//
// It owns the two questions that all such walks ask, and nothing of what they look
// for. On text that is not valid the answers mean little, but none reads beyond its end.
//
// Specification: RFC 8259.
//
// It imports none of our packages.
package extent
