package notice

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
)

// Headers in which git servers sign.
const (
	headerGitHub = "X-Hub-Signature-256" // sha256=<hex over the body>
	headerGitea  = "X-Gitea-Signature"   // <hex over the body>; Forgejo sends it too
	headerPlain  = "X-Stargate-Signature"
	headerGitLab = "X-Gitlab-Token" // the secret itself
)

// leastSecret is how many bytes a secret must have: a shorter one can be guessed.
const leastSecret = 16

// signed tells whether a request comes from who knows the secret. Exactly one of the headers counts,
// the first that is there: to send several gives no second guess.
func signed(header http.Header, body, secret []byte) bool {
	if len(secret) < leastSecret {
		// The work is done all the same: how long it takes tells nothing.
		secret = make([]byte, leastSecret)
		_ = matches(header, body, secret)
		return false
	}
	return matches(header, body, secret)
}

func matches(header http.Header, body, secret []byte) bool {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	sum := mac.Sum(nil)
	for _, name := range []string{headerGitHub, headerGitea, headerPlain} {
		if value := header.Get(name); value != "" {
			given, err := hex.DecodeString(strings.TrimPrefix(value, "sha256="))
			return err == nil && hmac.Equal(given, sum)
		}
	}
	token := sha256.Sum256([]byte(header.Get(headerGitLab)))
	want := sha256.Sum256(secret)
	return subtle.ConstantTimeCompare(token[:], want[:]) == 1
}
