package rest

import (
	"mime"
	"strconv"
	"strings"
)

// The media types of JSON resources: FHIR's own, and the generic ones that R4
// 3.1.0.1.11 lets a server answer in kind.
const (
	mediaFHIR = "application/fhir+json"
	mediaJSON = "application/json"
	mediaText = "text/json"
	mediaForm = "application/x-www-form-urlencoded"
)

// contentType is the header value for a media type.
func contentType(media string) string {
	switch media {
	case mediaJSON:
		return "application/json; charset=utf-8"
	case mediaText:
		return "text/json; charset=utf-8"
	default:
		return "application/fhir+json; charset=utf-8"
	}
}

// accept picks the media type to answer with from the values of Accept (RFC 9110
// 12.5.1), or "" when the client takes none of ours.
func accept(values []string) string {
	if len(values) == 0 {
		return mediaFHIR
	}
	if len(values) == 1 {
		switch values[0] {
		case "", "*/*", mediaFHIR:
			return mediaFHIR
		case mediaJSON:
			return mediaJSON
		}
	}
	offers := []offer{{media: mediaFHIR}, {media: mediaJSON}, {media: mediaText}}
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			weigh(offers, part)
		}
	}
	best := offer{}
	for _, o := range offers {
		if o.q > best.q || (o.q == best.q && o.q > 0 && o.rank > best.rank) {
			best = o
		}
	}
	return best.media
}

// offer is a media type that we have, with the quality that the most specific
// media range gives it.
type offer struct {
	media string
	q     float64
	rank  int // 0 none yet, 1 */*, 2 type/*, 3 type/subtype
}

// weigh applies one media range to the offers it matches. One that cannot be
// parsed, or that wants another version of FHIR, matches nothing.
func weigh(offers []offer, part string) {
	media, params, err := mime.ParseMediaType(part)
	if err != nil || !rightVersion(params) || !utf8Charset(params) {
		return
	}
	q := 1.0
	if s, ok := params["q"]; ok {
		q, err = strconv.ParseFloat(s, 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return
		}
	}
	for i := range offers {
		o := &offers[i]
		major, _, _ := strings.Cut(o.media, "/")
		rank := 0
		switch media {
		case o.media:
			rank = 3
		case major + "/*":
			rank = 2
		case "*/*":
			rank = 1
		}
		if rank > o.rank {
			o.q, o.rank = q, rank
		}
	}
}

// rightVersion checks the fhirVersion parameter of a media type (R4 2.1.0.13).
func rightVersion(params map[string]string) bool {
	v, ok := params["fhirversion"]
	return !ok || v == "4.0" || v == "4.0.1"
}

func utf8Charset(params map[string]string) bool {
	v, ok := params["charset"]
	return !ok || strings.EqualFold(v, "utf-8")
}

// parseFormat reads _format (R4 3.1.0.1.11). A "+" that was not
// percent-encoded has become a space.
func parseFormat(value string) (string, bool) {
	if value == "json" {
		return mediaFHIR, true
	}
	media, params, err := mime.ParseMediaType(strings.Replace(value, "application/fhir json", mediaFHIR, 1))
	if err != nil || !rightVersion(params) || !utf8Charset(params) {
		return "", false
	}
	switch media {
	case mediaFHIR, mediaJSON, mediaText:
		return media, true
	default:
		return "", false
	}
}

// checkContent refuses a body that is not JSON of our version in UTF-8.
func checkContent(value string) error {
	switch value {
	case mediaFHIR, mediaJSON, "application/fhir+json; charset=utf-8", "application/json; charset=utf-8", "application/fhir+json;charset=utf-8", "application/json;charset=utf-8":
		return nil
	case "":
		return unsupportedMedia("http.Content-Type", "Content-Type is missing. Send %s.", mediaFHIR)
	}
	media, params, err := mime.ParseMediaType(value)
	switch {
	case err != nil:
		return unsupportedMedia("http.Content-Type", "Content-Type cannot be parsed. Send %s.", mediaFHIR)
	case media != mediaFHIR && media != mediaJSON && media != mediaText:
		return unsupportedMedia("http.Content-Type", "This server takes %s, not %s.", mediaFHIR, media)
	case !utf8Charset(params):
		return unsupportedMedia("http.Content-Type", "The charset must be utf-8.")
	case !rightVersion(params):
		return unsupportedMedia("http.Content-Type", "This server speaks FHIR version 4.0.")
	default:
		return nil
	}
}
