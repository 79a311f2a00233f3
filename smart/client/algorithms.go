package client

import "github.com/go-jose/go-jose/v4"

// algorithms are those that assertions may be signed with (SMART App Launch 2.2,
// Asymmetric Authentication).
var algorithms = [...]jose.SignatureAlgorithm{jose.RS384, jose.ES384}

// Algorithms lists the names of the algorithms that assertions may be signed with.
func Algorithms() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return names
}
