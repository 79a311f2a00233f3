// Package people answers whose records somebody may open: the own one, those of the
// patients for whom a grant lets them act, and, for clinicians, those of the patients
// whom they treat.
//
// It owns no rule. Who acts for whom is asked of smart/grant; whom a clinician treats
// is what the guarded repository shows that clinician.
//
// It may import fhir, smart/access, smart/account, smart/grant, smart/pages, smart/policy
// and smart/scope.
package people
