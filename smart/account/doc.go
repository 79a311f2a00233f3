// Package account keeps the people who sign in: local accounts with passwords,
// accounts that a hospital's identity provider vouches for, and the sessions of
// their browsers.
//
// It owns passwords (argon2id, RFC 9106), the back-off against guessing, and the
// life of sessions. It knows no pages and no cookies, and it does not decide whom
// somebody may act for: an account says who the person is and in which roles,
// the rest is policy.
//
// Collections, all in Portico's own database:
//
//	portico_accounts { _id, login, hash, roles, person, name, disabled, upstream, epoch, devices, made }
//	portico_sessions { _id: hash of the secret, account, epoch, at, seen, until, gone }
//	portico_attempts { _id: hash of what is counted, n, next, gone }
//
// What is secret is kept as a hash: a copy of the store opens no session.
//
// It may import fhir and store.
package account
