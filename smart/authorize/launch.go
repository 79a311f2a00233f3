package authorize

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
)

// Launch is what an EHR says when it launches an app: which, by whom, and what is
// open on the screen.
type Launch struct {
	Client    string   // client_id of the app
	User      fhir.Key // who is at the EHR; zero: not said
	Patient   string   // logical id; empty: no chart is open
	Encounter string   // logical id
	Context   token.Launch
}

// launchDocument is the stored form.
type launchDocument struct {
	ID        string       `bson:"_id"`
	Gone      time.Time    `bson:"gone"`
	Used      bool         `bson:"used"` // a request has named it
	Client    string       `bson:"client"`
	UserType  string       `bson:"user_type,omitempty"`
	UserID    string       `bson:"user_id,omitempty"`
	Patient   string       `bson:"patient,omitempty"`
	Encounter string       `bson:"encounter,omitempty"`
	Context   token.Launch `bson:"context"`
}

func (l *Launch) document() *launchDocument {
	return &launchDocument{
		Client: l.Client, UserType: string(l.User.Type), UserID: l.User.ID, Patient: l.Patient, Encounter: l.Encounter, Context: l.Context,
	}
}

func (d *launchDocument) launch() *Launch {
	return &Launch{
		Client: d.Client, User: fhir.Key{Type: fhir.Type(d.UserType), ID: d.UserID}, Patient: d.Patient, Encounter: d.Encounter, Context: d.Context,
	}
}

// Launched is a launch that was made.
type Launched struct {
	Launch  string        // the opaque value
	URL     string        // to open in the person's browser
	Expires time.Duration // until when
}

// NewLaunch makes a launch, good once and for five minutes. The error is an
// *oauth.Error of InvalidRequest, or a fault of the server.
func (a *Authorizations) NewLaunch(ctx context.Context, l Launch) (*Launched, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	c, err := a.Clients.Get(ctx, l.Client)
	switch {
	case errors.Is(err, client.ErrUnknown), err == nil && (c.Disabled || c.LaunchURL == ""):
		return nil, oauth.Errorf(oauth.InvalidRequest, "client_id is not an app that is registered with a launch URL (portico client add … --launch-url URL).")
	case err != nil:
		return nil, err
	}
	id := rand.Text() + rand.Text()
	d := l.document()
	d.ID, d.Gone = hashed(id), a.now().Add(launchLife)
	doc, err := bson.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode a launch: %w", err)
	}
	if err := a.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: launches, Doc: doc}}); err != nil {
		return nil, fmt.Errorf("store a launch: %w", err)
	}
	query := url.Values{"iss": {a.FHIR}, "launch": {id}}.Encode()
	separator := "?"
	if strings.Contains(c.LaunchURL, "?") {
		separator = "&"
	}
	return &Launched{Launch: id, URL: c.LaunchURL + separator + query, Expires: launchLife}, nil
}

// check says what is wrong with a launch.
func (l *Launch) check() error {
	bad := func(format string, args ...any) error { return oauth.Errorf(oauth.InvalidRequest, format, args...) }
	users := []fhir.Type{"Patient", "RelatedPerson", "Practitioner"} // as which somebody can sign in
	switch {
	case l.Patient != "" && !fhir.ValidID(l.Patient):
		return bad("patient must be a logical id, without Patient/.")
	case l.Encounter != "" && !fhir.ValidID(l.Encounter):
		return bad("encounter must be a logical id, without Encounter/.")
	case l.Encounter != "" && l.Patient == "":
		return bad("An encounter needs a patient.")
	case l.User != (fhir.Key{}) && (!slices.Contains(users, l.User.Type) || !fhir.ValidID(l.User.ID)):
		return bad("user must be a relative reference to a Practitioner, Patient or RelatedPerson.")
	case len(l.Context.Intent) > maxShort:
		return bad("intent is longer than %d bytes.", maxShort)
	case l.Context.Style != "" && !isWeb(l.Context.Style):
		return bad("smart_style_url must be an https URL.")
	}
	return checkContext(l.Context.FHIRContext)
}

func isWeb(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && len(s) <= 2000
}

// Bounds of a fhirContext.
const (
	maxContext      = 16 << 10 // bytes
	maxContextItems = 100
)

// checkContext checks a fhirContext (SMART App Launch 2.2, fhirContext Experimental).
func checkContext(data json.RawMessage) error {
	if data == nil {
		return nil
	}
	bad := func(format string, args ...any) error { return oauth.Errorf(oauth.InvalidRequest, format, args...) }
	var items []struct {
		Reference  *string         `json:"reference"`
		Canonical  *string         `json:"canonical"`
		Identifier json.RawMessage `json:"identifier"`
		Type       *string         `json:"type"`
		Role       *string         `json:"role"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&items); err != nil || len(data) > maxContext || len(items) > maxContextItems {
		return bad("fhirContext must be an array of objects with reference, canonical, identifier, type and role, of at most %d bytes.", maxContext)
	}
	for i, item := range items {
		identified := len(item.Identifier) > 0 && item.Identifier[0] == '{'
		switch {
		case item.Reference == nil && item.Canonical == nil && !identified:
			return bad("fhirContext[%d] has no reference, canonical or identifier.", i)
		case item.Identifier != nil && !identified:
			return bad("fhirContext[%d].identifier is not an Identifier.", i)
		case item.Role != nil && *item.Role == "":
			return bad("fhirContext[%d].role is empty.", i)
		case item.Type != nil && !fhir.Type(*item.Type).Valid():
			return bad("fhirContext[%d].type is not a resource type.", i)
		}
		if item.Reference == nil {
			continue
		}
		ref := fhir.ParseReference(*item.Reference, "")
		if ref.Kind != fhir.RefLocal {
			return bad("fhirContext[%d].reference must be a relative reference, as ImagingStudy/1.", i)
		}
		if t := ref.Key.Type; (t == "Patient" || t == "Encounter") && (item.Role == nil || *item.Role == "launch") {
			return bad("fhirContext[%d] must not be the patient or encounter in context: they have parameters of their own.", i)
		}
	}
	return nil
}

// errLaunch is for a launch that means nothing (any more).
var errLaunch = oauth.Errorf(oauth.InvalidRequest, "launch is unknown, has expired, was used before, or is for another app. Launch the app again.")

// use gives the request its launch, and makes it used: it stays as long as the request
// may.
func (a *Authorizations) use(ctx context.Context, pending *Pending, id string) error {
	d, err := a.launch(ctx, id)
	if err != nil {
		return err
	}
	if d == nil || d.Used || d.Client != pending.Client.ID {
		return errLaunch
	}
	err = a.Store.Apply(ctx, []store.Op{{
		Kind: store.Update, Collection: launches, ID: store.String(id), If: store.Eq{Path: "used", Value: store.V(false)},
		Set: []store.Field{{Path: "used", Value: store.V(true)}, {Path: "gone", Value: store.V(pending.Created.Add(pendingLife))}},
	}})
	if errors.Is(err, store.ErrConflict) {
		return errLaunch // another request was faster
	}
	if err != nil {
		return fmt.Errorf("use a launch: %w", err)
	}
	pending.Launch = d.launch()
	return nil
}

// launch reads a launch that is not over; nil when there is none.
func (a *Authorizations) launch(ctx context.Context, id string) (*launchDocument, error) {
	doc, err := store.Get(ctx, a.Store, launches, id)
	if err != nil {
		return nil, fmt.Errorf("read a launch: %w", err)
	}
	if doc == nil {
		return nil, nil
	}
	d := new(launchDocument)
	if err := bson.Unmarshal(doc, d); err != nil {
		return nil, fmt.Errorf("decode a launch: %w", err)
	}
	if !a.now().Before(d.Gone) {
		return nil, nil
	}
	return d, nil
}
