package mongotest_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/portico-fhir/portico/store/mongo/mongotest"
)

func TestEveryTestGetsADatabaseOfItsOwn(t *testing.T) {
	first := database(t)
	if _, err := first.Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	second := database(t)
	if first.Name() == second.Name() {
		t.Fatalf("both got %s", first.Name())
	}
	n, err := second.Collection("c").CountDocuments(t.Context(), bson.D{})
	if err != nil || n != 0 {
		t.Errorf("the second database has %d documents, %v; want an empty one", n, err)
	}
}

func TestTheDatabaseIsDroppedWhenTheTestEnds(t *testing.T) {
	if !mongotest.Real() {
		t.Skip("the test server goes with its data")
	}
	var uri string
	t.Run("uses one", func(t *testing.T) {
		uri = mongotest.URI(t)
		db := open(t, uri)
		if _, err := db.Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}); err != nil {
			t.Fatal(err)
		}
	})
	n, err := open(t, uri).Collection("c").CountDocuments(t.Context(), bson.D{})
	if err != nil || n != 0 {
		t.Errorf("%d documents left, %v; want none", n, err)
	}
}

// database opens a fresh database.
func database(t *testing.T) *mongo.Database {
	t.Helper()
	return open(t, mongotest.URI(t))
}

// open connects to the database that the URI names.
func open(t *testing.T, uri string) *mongo.Database {
	t.Helper()
	parsed, err := connstring.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
	return client.Database(parsed.Database)
}
