package desk

import (
	"encoding/json"
	"errors"
	"time"
)

// Protocol is the number of the conversation in doc.go. Who speaks another is refused.
const Protocol = 2

// Times and sizes of a conversation.
const (
	maxLine    = 2 << 20     // bytes of what a command sends in one line
	lineLimit  = time.Minute // for saying what is wanted, and for a line to be taken by the other side
	aliveEvery = 5 * time.Second
)

// patience is how long a command waits.
type patience struct {
	silence time.Duration // of a server, after which it is given up
	last    time.Duration // for the last line, or for an answer, when it is to be broken off
}

// The kinds of words.
const (
	kindTell   = "tell"
	kindAlive  = "alive"
	kindAnswer = "answer"
)

// Errand is what is wanted of a server.
type Errand struct {
	Name string          `json:"errand"`
	By   string          `json:"by,omitempty"` // who wants it, for those who have to wait
	With json.RawMessage `json:"with"`
}

// opening is the first line of a command.
type opening struct {
	Protocol int `json:"protocol"`
	Errand
}

// question is a further line of a command.
type question struct {
	Question json.RawMessage `json:"question"`
	Size     int64           `json:"size,omitempty"`
}

// word is a line of the server.
type word struct {
	Kind    string          `json:"kind,omitempty"`
	Text    string          `json:"text,omitempty"`
	Answer  json.RawMessage `json:"answer,omitempty"`
	Said    string          `json:"said,omitempty"`
	Refused string          `json:"refused,omitempty"`
	Usage   bool            `json:"usage,omitempty"`
}

// Why the context of an errand has ended.
var (
	ErrLeft     = errors.New("it was broken off")
	ErrStopping = errors.New("the server is stopping")
)

// ErrNobody means that no server takes errands.
var ErrNobody = errors.New("no server answers")

// ErrLost means that a server took an errand and was not heard to the end.
var ErrLost = errors.New("the server that has the store open has ended, or does not answer")

// Refused is an errand that was not carried out, or not to its end.
type Refused struct {
	Text  string
	Usage bool // the command was used wrongly
}

// Error implements error.
func (r *Refused) Error() string { return r.Text }
