package source

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/url"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Credentials for one repository.
type Credentials struct {
	// Username and Password for https and http; BearerToken instead of them.
	Username, Password, BearerToken string
	// CA that vouches for the server's certificate, in PEM form; without it those of the system do.
	CA []byte
	// Identity is a private key for ssh, and IdentityPassphrase what it is locked with.
	Identity, IdentityPassphrase []byte
	// KnownHosts vouches for the server's key, for ssh.
	KnownHosts []byte
}

// The keys of a Secret with credentials.
const (
	KeyUsername = "username"
	// KeyPassword is the password or token for https, and the passphrase of the identity for ssh.
	KeyPassword    = "password"
	KeyBearerToken = "bearerToken"
	KeyCA          = "ca.crt"
	KeyIdentity    = "identity"
	KeyKnownHosts  = "known_hosts"
)

// CredentialsFrom reads the values of a Secret for a URL, and says which key is missing or wrong.
// Keys that another scheme would use are left alone.
func CredentialsFrom(secret map[string][]byte, rawURL string) (Credentials, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return Credentials{}, failure(Refused, "write it as https://host/fleet.git into spec.url", "the URL cannot be read")
	}
	var c Credentials
	switch u.Scheme {
	case "https", "http":
		c, err = httpCredentials(secret)
	case "ssh":
		c, err = sshCredentials(secret)
	case "file":
	default:
		return c, failure(Refused, "write an https, http, ssh or file URL into spec.url", "the scheme %q is not known", brief(u.Scheme))
	}
	return c, err
}

func httpCredentials(secret map[string][]byte) (Credentials, error) {
	c := Credentials{
		Username: line(secret[KeyUsername]), Password: line(secret[KeyPassword]), BearerToken: line(secret[KeyBearerToken]),
		CA: secret[KeyCA],
	}
	if !c.any() && len(c.CA) == 0 {
		return c, failure(Auth, "put username and password there, or bearerToken, or ca.crt", "the Secret that spec.credentialsRef names has none of the keys for an https URL")
	}
	if len(c.CA) > 0 && !x509.NewCertPool().AppendCertsFromPEM(c.CA) {
		return c, keyProblem(KeyCA, "holds no certificate in PEM form")
	}
	for key, value := range map[string]string{KeyUsername: c.Username, KeyPassword: c.Password, KeyBearerToken: c.BearerToken} {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return c, keyProblem(key, "has a line break or another control character in it")
		}
	}
	return c, c.fit()
}

// fit tells whether what is there belongs together.
func (c Credentials) fit() error {
	switch {
	case c.BearerToken != "" && (c.Username != "" || c.Password != ""):
		return keyProblem(KeyBearerToken, "is there beside "+KeyUsername+" or "+KeyPassword+": one or the other is sent")
	case c.Username == "" && c.Password != "":
		return keyProblem(KeyUsername, `is missing beside `+KeyPassword+` (for a token any name will do, such as "git")`)
	case c.Username != "" && c.Password == "":
		return keyProblem(KeyPassword, "is missing beside "+KeyUsername)
	case strings.Contains(c.Username, ":"):
		return keyProblem(KeyUsername, "has a colon in it")
	}
	return nil
}

func sshCredentials(secret map[string][]byte) (Credentials, error) {
	c := Credentials{Identity: secret[KeyIdentity], IdentityPassphrase: []byte(line(secret[KeyPassword])), KnownHosts: secret[KeyKnownHosts]}
	if len(bytes.TrimSpace(c.Identity)) == 0 {
		return c, keyProblem(KeyIdentity, "is missing: an ssh URL needs a private key")
	}
	if _, err := ssh.ParsePrivateKey(c.Identity); err != nil {
		if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); !locked {
			return c, keyProblem(KeyIdentity, "holds no private key in PEM form")
		}
		if len(c.IdentityPassphrase) == 0 {
			return c, keyProblem(KeyPassword, "is missing: the private key in "+KeyIdentity+" has a passphrase")
		}
	}
	if len(bytes.TrimSpace(c.KnownHosts)) == 0 {
		return c, failure(Auth, "check the server's key, then put the output of ssh-keyscan there, in the Secret that spec.credentialsRef names",
			"the key %s is missing: without it the server could be anybody", KeyKnownHosts)
	}
	return c, nil
}

// line without the line break that editors put at its end.
func line(value []byte) string { return strings.TrimRight(string(value), "\r\n") }

func (c Credentials) any() bool { return c.Username != "" || c.Password != "" || c.BearerToken != "" }

// signer of the identity.
func (c Credentials) signer() (ssh.Signer, error) {
	if len(bytes.TrimSpace(c.Identity)) == 0 {
		return nil, failure(Auth, "name a Secret in spec.credentialsRef, with identity and known_hosts", "the key %s is missing: an ssh URL needs a private key", KeyIdentity)
	}
	signer, err := ssh.ParsePrivateKey(c.Identity)
	if err == nil {
		return signer, nil
	}
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); !locked {
		return nil, keyProblem(KeyIdentity, "holds no private key in PEM form")
	}
	if len(c.IdentityPassphrase) == 0 {
		return nil, keyProblem(KeyPassword, "is missing: the private key in "+KeyIdentity+" has a passphrase")
	}
	if signer, err = ssh.ParsePrivateKeyWithPassphrase(c.Identity, c.IdentityPassphrase); err != nil {
		return nil, keyProblem(KeyPassword, "does not open the private key in "+KeyIdentity)
	}
	return signer, nil
}

// keyProblem says what is wrong with one key of the Secret.
func keyProblem(key, wrong string) error {
	return failure(Auth, "mend it in the Secret that spec.credentialsRef names", "the key %s %s", key, wrong)
}
