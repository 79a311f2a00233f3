package rest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// errStopping is why a context ends when the server does not wait any longer.
var errStopping = errors.New("rest: the server is stopping")

// lastWords is how long requests that are not waited for any longer may take to say
// so.
const lastWords = 10 * time.Second

// shutdown closes the listener and waits for the requests under way, for so long.
func shutdown(srv *http.Server, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return srv.Shutdown(ctx)
}

// stopped tells a client whose request ended because the server does to come back;
// any other error is left as it is.
func stopped(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errStopping) {
		return fhir.Errorf(fhir.CodeTransient, "", "The server is stopping. Try again in a second.").Because(err)
	}
	return err
}

// interruptible has the reading of a request's body end with its context. By itself it
// would wait for as long as the connection lasts, whatever the client does not send.
func interruptible(ctx context.Context, w http.ResponseWriter, r *http.Request) (undo func() bool) {
	if r.ContentLength == 0 {
		return func() bool { return false }
	}
	return context.AfterFunc(ctx, func() {
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // a writer of a test has none
	})
}
