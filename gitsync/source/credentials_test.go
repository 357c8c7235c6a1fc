package source_test

import (
	"strings"
	"testing"

	"stargate.io/stargate/gitsync/source"
	"stargate.io/stargate/test/gitserver"
)

func TestWhatIsWrongWithASecretIsSaidByKey(t *testing.T) {
	private, public, err := gitserver.NewKey("")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		url    string
		secret map[string]string
		kind   source.Kind
		word   string
	}{
		"both":             {"https://h/x", map[string]string{"username": "a", "password": "b", "bearerToken": canary}, source.Auth, "the key bearerToken is there beside"},
		"no username":      {"https://h/x", map[string]string{"password": canary}, source.Auth, "the key username is missing"},
		"no password":      {"https://h/x", map[string]string{"username": "a"}, source.Auth, "the key password is missing"},
		"colon":            {"https://h/x", map[string]string{"username": "a:b", "password": canary}, source.Auth, "the key username has a colon"},
		"two lines":        {"https://h/x", map[string]string{"bearerToken": canary + "\nX-Evil: 1"}, source.Auth, "the key bearerToken has a line break"},
		"bad CA":           {"https://h/x", map[string]string{"ca.crt": "nonsense"}, source.Auth, "the key ca.crt holds no certificate"},
		"nothing":          {"https://h/x", map[string]string{"identity": "x"}, source.Auth, "none of the keys for an https URL"},
		"no identity":      {"ssh://h/x", map[string]string{"known_hosts": "h " + public}, source.Auth, "the key identity is missing"},
		"bad identity":     {"ssh://h/x", map[string]string{"identity": canary, "known_hosts": "h " + public}, source.Auth, "the key identity holds no private key"},
		"no known_hosts":   {"ssh://h/x", map[string]string{"identity": string(private)}, source.Auth, "the key known_hosts is missing"},
		"unknown scheme":   {"ftp://h/x", nil, source.Refused, "the scheme"},
		"bad URL":          {"https://h/%zz", nil, source.Refused, "cannot be read"},
		"nothing for file": {"file:///x", nil, "", ""},
		"ssh":              {"ssh://h/x", map[string]string{"identity": string(private), "known_hosts": "h " + public}, "", ""},
		"https":            {"https://h/x", map[string]string{"username": "a", "password": "b", "identity": "left alone"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			secret := map[string][]byte{}
			for k, v := range tc.secret {
				secret[k] = []byte(v)
			}
			_, err := source.CredentialsFrom(secret, tc.url)
			wants(t, err, tc.kind, tc.word)
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("a secret is told: %v", err)
			}
		})
	}
}

func TestURLsThatAreNotTaken(t *testing.T) {
	for url, word := range map[string]string{
		"https://h/x?y=z":      "query",
		"https:///x":           "no host",
		"ftp://h/x":            "scheme",
		"git@h:x.git":          "",
		"https://me@h/x":       "holds credentials",
		"ssh://a:b@h/x":        "holds credentials",
		"file://elsewhere/x":   "has no host",
		"file:///nonexistent":  "no such repository",
		"ssh://h":              "names no repository",
		"https://h/\x00":       "cannot be read",
		"file:///etc/../proc/": "no such repository",
	} {
		_, err := source.Git{}.Resolve(t.Context(), source.Request{URL: url})
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: got %v, want %q", url, err, word)
		}
	}
}
