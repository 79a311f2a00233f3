package account_test

import (
	"testing"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/store/memory"
)

// BenchmarkVerify measures what signing in costs, nearly all of it the hash.
func BenchmarkVerify(b *testing.B) {
	a, _ := open(b, memory.New())
	a.Hasher = account.NewHasher(account.DefaultCost(), 1)
	add(b, a, amy())
	source := from("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		_, device, err := a.Verify(b.Context(), "amy.shaw", password, source)
		if err != nil {
			b.Fatal(err)
		}
		source.Device = device
	}
}

// BenchmarkSession measures what finding out who is signed in costs.
func BenchmarkSession(b *testing.B) {
	a, _ := open(b, memory.New())
	who := add(b, a, amy())
	s := &account.Sessions{Accounts: a}
	secret, _, err := s.Start(b.Context(), who.ID, "")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Get(b.Context(), secret); err != nil {
			b.Fatal(err)
		}
	}
}
