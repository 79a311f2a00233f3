package account

import (
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// document is an account as it is stored.
type document struct {
	Account
	Hash     string    // of the password, empty for accounts of a provider
	Upstream string    // digest of issuer and subject, for accounts of a provider
	Epoch    int64     // sessions of another epoch are dead
	Rev      int64     // counts changes
	Devices  []string  // digests of the secrets of browsers that signed in, the latest last
	Made     time.Time // when the account was made
}

// stored is document in the names of its fields.
type stored struct {
	ID       string    `bson:"_id"`
	Login    string    `bson:"login,omitempty"`
	Hash     string    `bson:"hash,omitempty"`
	Roles    []Role    `bson:"roles"`
	Person   string    `bson:"person,omitempty"`
	Name     string    `bson:"name,omitempty"`
	Disabled bool      `bson:"disabled,omitempty"`
	Issuer   string    `bson:"issuer,omitempty"`
	Upstream string    `bson:"upstream,omitempty"`
	Epoch    int64     `bson:"epoch"`
	Rev      int64     `bson:"rev"`
	Devices  []string  `bson:"devices,omitempty"`
	Made     time.Time `bson:"made"`
}

func (d document) marshal() (store.Doc, error) {
	s := stored{
		ID: d.ID, Login: d.Login, Hash: d.Hash, Roles: d.Roles, Name: d.Name, Disabled: d.Disabled, Issuer: d.Issuer,
		Upstream: d.Upstream, Epoch: d.Epoch, Rev: d.Rev, Devices: d.Devices, Made: d.Made,
	}
	if d.Person != (fhir.Key{}) {
		s.Person = d.Person.String()
	}
	raw, err := bson.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write an account: %w", err)
	}
	return raw, nil
}

func unmarshal(raw store.Doc) (document, error) {
	var s stored
	if err := bson.Unmarshal(raw, &s); err != nil {
		return document{}, fmt.Errorf("read an account: %w: %w", store.ErrCorrupt, err)
	}
	d := document{
		Account: Account{ID: s.ID, Login: s.Login, Name: s.Name, Roles: s.Roles, Disabled: s.Disabled, Issuer: s.Issuer},
		Hash:    s.Hash, Upstream: s.Upstream, Epoch: s.Epoch, Rev: s.Rev, Devices: s.Devices, Made: s.Made,
	}
	if s.Person != "" {
		var ok bool
		if d.Person, ok = ParsePerson(s.Person); !ok {
			return document{}, fmt.Errorf("read account %s: %w: the person", s.ID, store.ErrCorrupt)
		}
	}
	return d, nil
}

// ParsePerson reads the reference to a person's record, as Patient/123.
func ParsePerson(s string) (fhir.Key, bool) {
	r := fhir.ParseReference(s, "")
	return r.Key, r.Kind == fhir.RefLocal && r.Version == "" && r.Fragment == ""
}
