// Package provider holds tests of signing in through an identity provider that is not
// ours, and of accepting its access tokens: zitadel/oidc's server. It is a module of its
// own, so that the provider does not reach the product.
package provider
