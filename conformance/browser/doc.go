// Package browser runs a real browser for tests, headless Chromium. Its own tests drive
// the real program through it, with apps that others wrote: npm's fhirclient, and
// openid-client as a strict relying party.
//
// It serves tests only; nothing in the product imports it.
package browser
