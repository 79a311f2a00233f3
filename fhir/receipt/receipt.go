package receipt

import (
	"bytes"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

const (
	collection   = "portico_receipts"
	fieldID      = "_id"
	fieldRequest = "rq"
	fieldTime    = "ts"
	fieldResults = "r"
)

// nothing stands for what is empty; it is no id.
const nothing = "~"

// Keep is for how long a receipt is good.
const Keep = 24 * time.Hour

// encode makes the document of a receipt.
func encode(id string, request []byte, now time.Time, results []fhir.Result) store.Doc {
	return store.Doc(bsoncore.NewDocumentBuilder().
		AppendString(fieldID, id).
		AppendBinary(fieldRequest, 0, request).
		AppendDateTime(fieldTime, now.UnixMilli()).
		AppendBinary(fieldResults, 0, appendResults(nil, results)).
		Build())
}

// appendResults writes a line for each result: status, type, id, version and
// time.
func appendResults(dst []byte, results []fhir.Result) []byte {
	word := func(s string) {
		if s == "" {
			s = nothing
		}
		dst = append(append(dst, s...), ' ')
	}
	for _, r := range results {
		word(strconv.Itoa(int(r.Status)))
		word(string(r.Resource.Type))
		word(r.Resource.ID)
		word(r.Resource.Version)
		dst = append(strconv.AppendInt(dst, r.Resource.Updated.UnixMilli(), 10), '\n')
	}
	return dst
}

// readResults reads what appendResults wrote; ok is false for anything else.
func readResults(raw []byte) (results []fhir.Result, ok bool) {
	word := func(b []byte) string {
		if string(b) == nothing {
			return ""
		}
		return string(b)
	}
	for line := range bytes.Lines(raw) {
		f := bytes.Fields(line)
		if len(f) != 5 {
			return nil, false
		}
		status, err1 := strconv.ParseUint(string(f[0]), 10, 8)
		ms, err2 := strconv.ParseInt(string(f[4]), 10, 64)
		if err1 != nil || err2 != nil {
			return nil, false
		}
		results = append(results, fhir.Result{Status: fhir.Status(status), Resource: fhir.Resource{
			Key:     fhir.Key{Type: fhir.Type(word(f[1])), ID: word(f[2])},
			Version: word(f[3]), Updated: time.UnixMilli(ms).UTC(), Deleted: fhir.Status(status) == fhir.Deleted,
		}})
	}
	return results, true
}
