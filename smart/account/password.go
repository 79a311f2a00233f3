package account

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// The rules for passwords (NIST SP 800-63B 3.1.1.2): length counts, what it is
// made of does not.
const (
	MinPassword = 12   // characters
	MaxPassword = 1000 // bytes
	minDistinct = 5    // different characters: not one key held down
)

// CheckPassword says what is wrong with a password for a login, in words for who
// chose it.
func CheckPassword(login, password string) error {
	password = normalPassword(password)
	folded := strings.ToLower(password)
	distinct := make(map[rune]bool)
	for _, r := range folded {
		distinct[r] = true
	}
	switch {
	case !utf8.ValidString(password):
		return errors.New("the password is not text")
	case utf8.RuneCountInString(password) < MinPassword:
		return fmt.Errorf("the password must have at least %d characters; several words are fine", MinPassword)
	case len(password) > MaxPassword:
		return fmt.Errorf("the password must not be longer than %d bytes", MaxPassword)
	case len(distinct) < minDistinct:
		return fmt.Errorf("the password must have at least %d different characters", minDistinct)
	case login != "" && strings.ReplaceAll(folded, login, "") == "":
		return errors.New("the password must not be the login")
	}
	return nil
}

// normalPassword makes the same password of what different keyboards send for it
// (NIST SP 800-63B 3.1.1.2: NFKC).
func normalPassword(s string) string { return norm.NFKC.String(s) }

// Cost is what a hash costs to compute (RFC 9106, 3.1).
type Cost struct {
	Memory uint32 // KiB
	Passes uint32
	Lanes  uint8
}

// DefaultCost is 19 MiB and two passes, as OWASP recommends for argon2id:
// some 20 ms.
func DefaultCost() Cost { return Cost{Memory: 19 << 10, Passes: 2, Lanes: 1} }

// Hasher hashes and checks passwords, at most so many at a time: each takes
// the memory that its cost says. Safe for concurrent use.
type Hasher struct {
	cost    Cost
	slots   chan struct{}
	waiting atomic.Int64
	decoy   string // the hash of no password, to be checked where there is no account
}

// Those who wait for their turn are bounded, in number and in time: a flood of
// logins costs no memory, and is answered.
const (
	maxWaiting = 100
	patience   = 5 * time.Second
)

// NewHasher makes a Hasher that computes at most parallel hashes at a time.
func NewHasher(cost Cost, parallel int) *Hasher {
	h := &Hasher{cost: cost, slots: make(chan struct{}, parallel)}
	h.decoy = h.encode(random(saltLen), random(keyLen))
	return h
}

// turn waits until the Hasher has time; ErrBusy when that takes too long.
func (h *Hasher) turn(ctx context.Context) (done func(), err error) {
	done = func() { <-h.slots }
	select {
	case h.slots <- struct{}{}:
		return done, nil
	default:
	}
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > maxWaiting {
		return nil, ErrBusy
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		return done, nil
	case <-timer.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

const saltLen, keyLen = 16, 32

// Hash gives what is kept of a password, in PHC's form, which names its cost.
// ErrBusy when too many are being computed.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	salt := random(saltLen)
	return h.encode(salt, h.cost.key(password, salt)), nil
}

func (c Cost) key(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(normalPassword(password)), salt, c.Passes, c.Memory, c.Lanes, keyLen)
}

func (h *Hasher) encode(salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return h.cost.prefix() + b64(salt) + "$" + b64(key)
}

func (c Cost) prefix() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, c.Memory, c.Passes, c.Lanes)
}

// Check reports whether password is the one of hash. An empty hash is that of no
// password, and takes as long. ErrBusy when too many are being computed.
func (h *Hasher) Check(ctx context.Context, hash, password string) (bool, error) {
	known := hash != ""
	if !known {
		hash = h.decoy
	}
	cost, salt, want, err := decode(hash)
	if err != nil {
		return false, err
	}
	if len(password) > MaxPassword {
		password, known = "", false // nobody has such a one
	}
	done, err := h.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	same := subtle.ConstantTimeCompare(cost.key(password, salt), want) == 1
	return same && known, nil
}

// outdated reports whether hash was made at another cost.
func (h *Hasher) outdated(hash string) bool { return !strings.HasPrefix(hash, h.cost.prefix()) }

// maxCost bounds what a stored hash may ask for: a damaged one must not take all
// memory.
var maxCost = Cost{Memory: 256 << 10, Passes: 20, Lanes: 16}

// decode reads a hash in PHC's form.
func decode(hash string) (c Cost, salt, key []byte, err error) {
	bad := errors.New("account: a stored hash is damaged")
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.Memory, &c.Passes, &c.Lanes); err != nil {
		return c, nil, nil, bad
	}
	if c.Passes == 0 || c.Lanes == 0 || c.Memory > maxCost.Memory || c.Passes > maxCost.Passes || c.Lanes > maxCost.Lanes {
		return c, nil, nil, bad
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(key) != keyLen {
		return c, nil, nil, bad
	}
	return c, salt, key, nil
}
