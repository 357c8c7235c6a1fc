package source

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshNamespace that git signs in.
const sshNamespace = "git"

// allowedSigner is one line of an allowed-signers file, or of authorized_keys.
type allowedSigner struct {
	principals    string
	key           ssh.PublicKey
	namespaces    []string // none: all
	after, before time.Time
}

// refuses says why a key does not count for a commit of that time; "" where it does.
func (s allowedSigner) refuses(when time.Time) string {
	switch {
	case len(s.namespaces) > 0 && !slices.ContainsFunc(s.namespaces, func(n string) bool { return wild(n, sshNamespace) }):
		return "that key may not sign for git (namespaces)"
	case !s.after.IsZero() && when.Before(s.after):
		return "the commit is older than that key (valid-after)"
	case !s.before.IsZero() && when.After(s.before):
		return "the commit is younger than that key's end (valid-before)"
	}
	return ""
}

// parseAllowedSigners reads lines such as
//
//	alice@example.org,bob@example.org namespaces="git",valid-before="20270101" ssh-ed25519 AAAA… comment
//	ssh-ed25519 AAAA… alice@example.org
//
// Lines that are none are told, by number, and count for nobody. Times without a Z are UTC too.
func parseAllowedSigners(text string) (signers []allowedSigner, wrong []string) {
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseAllowedSigner(line)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("line %d (%s)", n, brief(err.Error())))
			continue
		}
		signers = append(signers, s)
	}
	return signers, wrong
}

func parseAllowedSigner(line string) (allowedSigner, error) {
	var s allowedSigner
	first, rest := field(line)
	plain := isKeyType(first)
	if plain {
		rest = line
	} else {
		s.principals = strings.Trim(first, `"`)
	}
	if s.principals == "" && !plain {
		return s, fmt.Errorf("no principal")
	}
	key, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil {
		return s, fmt.Errorf("no SSH public key")
	}
	if _, certificate := key.(*ssh.Certificate); certificate {
		return s, fmt.Errorf("a certificate, and not a key")
	}
	s.key = key
	if plain {
		s.principals = comment
	}
	for _, option := range options {
		if err := s.option(option); err != nil {
			return s, err
		}
	}
	return s, nil
}

// field splits off the first word, which may be quoted.
func field(line string) (first, rest string) {
	quoted := false
	for i, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
		case (r == ' ' || r == '\t') && !quoted:
			return line[:i], strings.TrimSpace(line[i:])
		}
	}
	return line, ""
}

func isKeyType(word string) bool {
	return strings.HasPrefix(word, "ssh-") || strings.HasPrefix(word, "ecdsa-sha2-") || strings.HasPrefix(word, "sk-")
}

// option of a line. One that is not known might take something away, so that the line counts for nobody.
func (s *allowedSigner) option(option string) error {
	name, value, _ := strings.Cut(option, "=")
	value = strings.Trim(value, `"`)
	var err error
	switch strings.ToLower(name) {
	case "namespaces":
		s.namespaces = strings.Split(value, ",")
	case "valid-after":
		s.after, err = timestamp(value)
	case "valid-before":
		s.before, err = timestamp(value)
	case "cert-authority":
		err = fmt.Errorf("certificate authorities are not read")
	default:
		err = fmt.Errorf("the option %q is not known", brief(name))
	}
	return err
}

// timestamp as YYYYMMDD[HHMM[SS]][Z].
func timestamp(value string) (time.Time, error) {
	digits := strings.TrimSuffix(value, "Z")
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) == len(digits) {
			if t, err := time.Parse(layout, digits); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 20260131", brief(value))
}
