package desk

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// forever is for those who are not given up.
var forever = patience{silence: time.Hour, last: time.Hour}

// odd is a server that does with a conversation what it likes.
func odd(t *testing.T, do func(conn net.Conn, line string)) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "socket")
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			do(conn, line)
			_ = conn.Close()
		}
	}()
	return path
}

func wants(t *testing.T, claim string, waits patience, path, want string) {
	t.Helper()
	c, err := dial(t.Context(), path, Errand{Name: "x"}, func(string) {}, waits)
	said := ""
	if err == nil {
		defer c.Close()
		said, err = c.Result(t.Context())
	}
	if err != nil {
		said = err.Error()
	}
	if said != want {
		t.Errorf("%s: %q, want %q", claim, said, want)
	}
}

func TestOddServers(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	dead := filepath.Join(t.TempDir(), "dead")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	_ = ln.Close()
	say := func(text string) string {
		return odd(t, func(conn net.Conn, _ string) { _, _ = io.WriteString(conn, text) })
	}
	silent := odd(t, func(net.Conn, string) { <-end })
	for claim, tt := range map[string]struct {
		path, want string
		waits      patience
	}{
		"there is no socket":                  {filepath.Join(t.TempDir(), "none"), ErrNobody.Error(), forever},
		"a socket that nobody listens at":     {dead, ErrNobody.Error(), forever},
		"one that ends before it has begun":   {say(""), ErrLost.Error(), forever},
		"one that ends in the middle":         {say(`{"kind":"tell","text":"1 record"}` + "\n" + `{"sa`), ErrLost.Error(), forever},
		"one that talks nonsense":             {say("HTTP/1.1 400 Bad Request\r\n\r\n"), ErrLost.Error(), forever},
		"an older version that knows it":      {say(`{"said":"done\n"}` + "\n"), "done\n", forever},
		"an older version that does not":      {say(`{"refused":"another version"}` + "\n"), "another version", forever},
		"one that says more than is known":    {say(`{"kind":"sing"}` + "\n" + `{"said":"done"}` + "\n"), "done", forever},
		"one that answers what was not asked": {say(`{"kind":"answer","answer":{}}` + "\n" + `{"said":"done"}` + "\n"), ErrLost.Error(), forever},
		"one that says nothing":               {silent, ErrLost.Error() + ": it has not been heard for 1ms", patience{silence: time.Millisecond, last: time.Hour}},
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			wants(t, claim, tt.waits, tt.path, tt.want)
		})
	}
}

// One that does not break off when it is asked to is left alone.
func TestAServerThatDoesNotHearIsLeft(t *testing.T) {
	t.Parallel()
	heard, end := make(chan string, 1), make(chan struct{})
	defer close(end)
	path := odd(t, func(_ net.Conn, line string) { heard <- line; <-end })
	c, err := dial(t.Context(), path, Errand{Name: "x"}, func(string) {}, patience{silence: time.Hour, last: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-heard
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, err := c.Result(ctx); !errors.Is(err, ErrLost) {
		t.Errorf("got %v", err)
	}
}

// served opens a desk.
func served(t *testing.T, take func(ctx context.Context, e Errand, t *Talk) (string, error)) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "desk", "socket")
	d := &Desk{Take: take, Log: slog.New(slog.DiscardHandler)}
	closeDesk, err := d.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeDesk)
	return path
}

func TestAConversation(t *testing.T) {
	t.Parallel()
	path := served(t, func(ctx context.Context, e Errand, talk *Talk) (string, error) {
		sum := 0
		for {
			q, size, err := talk.Next(ctx)
			if errors.Is(err, ErrLeft) {
				return e.Name + " done", nil
			}
			if err != nil {
				return "", err
			}
			var add int
			if err := Decode(q, &add); err != nil {
				return "", err
			}
			b, err := talk.Payload(ctx, size)
			if err != nil {
				return "", err
			}
			sum += add
			talk.Tell(string(b))
			if err := talk.Answer(sum); err != nil {
				return "", err
			}
		}
	})
	var told []string
	c, err := dial(t.Context(), path, Errand{Name: "sums"}, func(text string) { told = append(told, text) }, forever)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	large := []byte(strings.Repeat("x", 3<<20))
	for i, want := range []int{1, 3, 6} {
		var got int
		if err := c.Ask(t.Context(), i+1, [][]byte{large[:i], []byte("\n{}\n")}, &got); err != nil || got != want {
			t.Errorf("the answer is %d, %v", got, err)
		}
	}
	var got int
	if err := c.Ask(t.Context(), 4, [][]byte{large}, &got); err != nil || got != 10 {
		t.Errorf("with 3 MB: %d, %v", got, err)
	}
	c.Hang()
	if said, err := c.Result(t.Context()); err != nil || said != "sums done" {
		t.Errorf("in the end %q, %v", said, err)
	}
	if want := []string{"\n{}\n", "x\n{}\n", "xx\n{}\n", string(large)}; strings.Join(told, "|") != strings.Join(want, "|") {
		t.Errorf("it told %.100q", told)
	}
	if err := c.Ask(t.Context(), 5, nil, &got); !errors.Is(err, ErrLost) {
		t.Errorf("after the end: %v", err)
	}
}

// What is refused in the middle is told as what it is, also to who is still sending.
func TestARefusalReachesWhoSends(t *testing.T) {
	t.Parallel()
	path := served(t, func(ctx context.Context, _ Errand, talk *Talk) (string, error) {
		if _, _, err := talk.Next(ctx); err != nil {
			return "", err
		}
		return "", &Refused{Text: "too much", Usage: true}
	})
	c, err := dial(t.Context(), path, Errand{Name: "x"}, func(string) {}, forever)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var refused *Refused
	if err := c.Ask(t.Context(), 1, [][]byte{make([]byte, 8<<20)}, new(int)); !errors.As(err, &refused) || !refused.Usage || refused.Text != "too much" {
		t.Errorf("got %v", err)
	}
}

func TestWhatADeskDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	path := served(t, func(_ context.Context, e Errand, _ *Talk) (string, error) {
		var with struct{ Known int }
		return "done", Decode(e.With, &with)
	})
	for sent, want := range map[string]string{
		`{"protocol":2,"errand":"x","with":{"Known":1}}`:             `{"said":"done"}`,
		`{"protocol":2,"errand":"x","with":{"Known":1,"DryRun":1}}`:  "does not understand all that is wanted: it is another version",
		`{"errand":"x","with":{"Known":1}}`:                          "of another version: it hears commands of protocol 2, and this is 0",
		`{"protocol":3,"errand":"x","with":{}}`:                      "of another version",
		strings.Repeat(" ", maxLine+1) + `{"protocol":2,"errand":1}`: "",
		"GET / HTTP/1.1\r\n\r\n":                                     "",
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, sent+"\n") // fails when it is refused before all is sent
		_ = conn.(*net.UnixConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		if !strings.Contains(string(answer), want) || (want == "") != (len(answer) == 0) {
			t.Errorf("%.80q is answered with %q", sent, answer)
		}
		if len(answer) > 0 && !json.Valid(answer) {
			t.Errorf("%q is no JSON", answer)
		}
		_ = conn.Close()
	}
}
