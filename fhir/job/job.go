package job

import (
	"net/http"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// State is where a job stands.
type State string

// The states. A job that was cancelled is gone.
const (
	Waiting State = "waiting"
	Running State = "running"
	Done    State = "done" // there is an answer, be it that the request failed
)

// Request is what a job carries out.
type Request struct {
	Method string      `bson:"method"`
	Path   string      `bson:"path"`  // below the FHIR base, percent-encoded, with its slash
	Query  string      `bson:"query"` // percent-encoded
	Header http.Header `bson:"header"`
	Base   string      `bson:"base"` // FHIR base URL as the client sees it
	Body   []byte      `bson:"-"`
}

// Job is a request on its way.
type Job struct {
	ID      string
	Caller  string // whose it is
	State   State
	Created time.Time
	Attempt int // how often it was begun, this time included
	Request Request
	// Progress says how far a running job is; Status and Size are those of the answer
	// of one that is done.
	Progress string
	Status   int
	Size     int64

	// Known says that ctx has the values of the context that the job was submitted with. It has not
	// when another process did that.
	Known bool

	in, out int // parts of the bodies
	node    string
	beat    store.Value
}

// Answer is what became of a request.
type Answer struct {
	Status int
	Body   []byte
}

// The fields of a job's document.
const (
	jobs          = "portico_jobs"
	parts         = "portico_job_parts"
	fieldID       = "_id"
	fieldCaller   = "by"
	fieldState    = "st"
	fieldTime     = "ts"
	fieldBeat     = "beat"
	fieldNode     = "node"
	fieldAttempts = "n"
	fieldOut      = "out"
	fieldStatus   = "code"
	fieldSize     = "size"
	fieldProgress = "at"
	fieldData     = "data"
)

// document is that of a job.
type document struct {
	ID       string    `bson:"_id"`
	Caller   string    `bson:"by"`
	State    State     `bson:"st"`
	Time     time.Time `bson:"ts"`
	Beat     time.Time `bson:"beat"`
	Node     string    `bson:"node"`
	Attempts int       `bson:"n"`
	Request  Request   `bson:"req"`
	In       int       `bson:"in"`
	Out      int       `bson:"out"`
	Status   int       `bson:"code"`
	Size     int64     `bson:"size"`
	Progress string    `bson:"at"`
}

// decode reads the document of a job.
func decode(doc store.Doc) (Job, error) {
	var d document
	if err := bson.Unmarshal(doc, &d); err != nil {
		return Job{}, err
	}
	return Job{
		ID: d.ID, Caller: d.Caller, State: d.State, Created: d.Time.UTC(), Attempt: d.Attempts, Request: d.Request,
		Progress: d.Progress, Status: d.Status, Size: d.Size, in: d.In, out: d.Out, node: d.Node, beat: doc.Lookup(fieldBeat),
	}, nil
}

func missing() error {
	return fhir.Errorf(fhir.CodeNotFound, "http.url", "There is no such job: it never was, was cancelled, or has expired.")
}
