package source

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
	KeyUsername    = "username"
	KeyPassword    = "password"
	KeyBearerToken = "bearerToken"
	KeyCA          = "ca.crt"
	KeyIdentity    = "identity"
	KeyKnownHosts  = "known_hosts"
)

func (c Credentials) any() bool { return c.Username != "" || c.Password != "" || c.BearerToken != "" }

// keyProblem says what is wrong with one key of the Secret.
func keyProblem(key, wrong string) error {
	return failure(Auth, "mend it in the Secret that spec.credentialsRef names", "the key %s %s", key, wrong)
}
