// Package pages is what people see of the authorization server: signing in,
// choosing whose record an app may open, consent, the list of their apps, and
// what is said when something is wrong.
//
// It owns the pages, their words (messages, one file a language), the cookies, the
// protection of the forms, and the order of the steps. What an authorization
// request is, and what comes of an answer, is smart/authorize; who somebody is,
// smart/account; whose record somebody may open is asked of People.
//
// The pages are plain HTML without scripts, and load nothing but their own style
// sheet. What a form answers is never believed: the choice of a person is asked
// of People again, and what is granted is compared with what was asked for.
//
// Specification: SMART App Launch 2.2; OpenID Connect Core 1.0, 3.1.2 (prompt,
// max_age, ui_locales); RFC 9700; WCAG 2.2 AA.
//
// It may import fhir, smart/scope, smart/access, smart/account, smart/client,
// smart/token, smart/authorize and smart/upstream.
package pages
