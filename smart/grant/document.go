package grant

import (
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/store"
)

// stored is a Grant in the names of its fields.
type stored struct {
	ID         string          `bson:"_id"`
	Epoch      int64           `bson:"epoch"`
	Status     Status          `bson:"status"`
	Patient    string          `bson:"patient"`
	Proxy      string          `bson:"proxy"` // id of the RelatedPerson
	Account    string          `bson:"account"`
	Basis      string          `bson:"basis"`
	Named      bool            `bson:"named,omitempty"` // Categories are all there are, be they none
	Categories []string        `bson:"categories,omitempty"`
	Limited    bool            `bson:"limited,omitempty"` // the same of Actions
	Actions    []policy.Action `bson:"actions,omitempty"`
	Ordered    bool            `bson:"ordered,omitempty"`
	From       time.Time       `bson:"from"`
	Until      time.Time       `bson:"until,omitempty"`
	Reviewed   time.Time       `bson:"reviewed,omitempty"`
	Crossed    int64           `bson:"crossed"`
	By         string          `bson:"by"`
	Evidence   string          `bson:"evidence,omitempty"`
	Policy     string          `bson:"policy"`
	Made       time.Time       `bson:"made"`
	Used       time.Time       `bson:"used"`
}

func (g Grant) marshal() (store.Doc, error) {
	raw, err := bson.Marshal(stored{
		ID: g.ID, Epoch: g.Epoch, Status: g.Status, Patient: g.Patient, Proxy: g.Proxy.ID, Account: g.Account, Basis: g.Basis,
		Named: g.Categories != nil, Categories: g.Categories, Limited: g.Actions != nil, Actions: g.Actions, Ordered: g.Ordered,
		From: g.NotBefore, Until: g.NotAfter, Reviewed: g.Reviewed, Crossed: int64(g.Crossed), By: g.By, Evidence: g.Evidence,
		Policy: g.Policy, Made: g.Made, Used: g.Used,
	})
	if err != nil {
		return nil, fmt.Errorf("write a grant: %w", err)
	}
	return raw, nil
}

func unmarshal(raw store.Doc) (Grant, error) {
	var s stored
	if err := bson.Unmarshal(raw, &s); err != nil {
		return Grant{}, fmt.Errorf("read a grant: %w: %w", store.ErrCorrupt, err)
	}
	g := Grant{
		Grant: policy.Grant{
			ID: s.ID, Proxy: fhir.Key{Type: "RelatedPerson", ID: s.Proxy}, Patient: s.Patient, Basis: s.Basis, Active: s.Status == Active,
			NotBefore: s.From, NotAfter: s.Until, Categories: s.Categories, Actions: s.Actions, Ordered: s.Ordered, Reviewed: s.Reviewed,
			Crossed: policy.Band(s.Crossed),
		},
		Status: s.Status, Epoch: s.Epoch, Account: s.Account, By: s.By, Evidence: s.Evidence, Policy: s.Policy, Made: s.Made, Used: s.Used,
	}
	// An empty list is no permission, never all of them.
	if s.Named && g.Categories == nil {
		g.Categories = []string{}
	}
	if s.Limited && g.Actions == nil {
		g.Actions = []policy.Action{}
	}
	return g, nil
}
