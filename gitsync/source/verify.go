package source

import (
	"bytes"
	"crypto"
	_ "crypto/sha512" // of SSH signatures
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// maxSignature is how many bytes a signature may have: many times what any has.
const maxSignature = 64 << 10

// judge a commit: who signed it, or why nobody did who counts.
func (v *Verify) judge(raw []byte) (signedBy, problem string) {
	payload, signature, problem := takeSignature(raw)
	if problem != "" {
		return "", problem
	}
	keys, bad := readKeys(v.Keys)
	switch {
	case strings.HasPrefix(signature, "-----BEGIN PGP SIGNATURE-----"):
		now := v.Now
		if now.IsZero() {
			now = time.Now()
		}
		signedBy, problem = keys.gpg(payload, signature, now)
	case strings.HasPrefix(signature, "-----BEGIN SSH SIGNATURE-----"):
		signedBy, problem = keys.ssh(payload, signature)
	default:
		problem = "the commit is signed in a way that is not read; sign it with GPG or SSH"
	}
	if problem != "" && len(bad) > 0 {
		problem += "; what spec.verify.keysRef names cannot all be read: " + strings.Join(bad[:min(len(bad), maxTold)], ", ")
	}
	return signedBy, problem
}

// takeSignature splits a commit into what is signed and its signature, as git does. A commit with two
// signatures counts as signed by nobody.
func takeSignature(raw []byte) (payload []byte, signature, problem string) {
	head, message, _ := bytes.Cut(raw, []byte("\n\n"))
	inside, count := "", 0
	var found strings.Builder
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		if len(line) == 0 || line[0] != ' ' {
			name, _, _ := strings.Cut(string(line), " ")
			inside = ""
			if name == "gpgsig" || name == "gpgsig-sha256" {
				inside = name
			}
			if name == "gpgsig" {
				count++
				line = line[len(name):]
			}
		}
		switch inside {
		case "gpgsig":
			found.Write(bytes.TrimPrefix(line, []byte(" ")))
			found.WriteByte('\n')
		case "":
			payload = append(append(payload, line...), '\n')
		}
	}
	payload = append(append(payload, '\n'), message...)
	switch {
	case count == 0:
		return nil, "", "the commit is not signed; sign it (git commit -S) with a key that spec.verify.keysRef names"
	case count > 1:
		return nil, "", "the commit carries two signatures; make it anew"
	case found.Len() > maxSignature:
		return nil, "", "the commit's signature has more than " + size(maxSignature)
	}
	return payload, found.String(), ""
}

// keyring of all keys that count.
type keyring struct {
	pgp     openpgp.EntityList
	signers []allowedSigner
}

const pgpBegin = "-----BEGIN PGP "

// readKeys reads all values, and says which of them, or which lines, are no keys.
func readKeys(values map[string][]byte) (k keyring, bad []string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := string(values[name])
		first := strings.Index(value, pgpBegin)
		if first < 0 {
			signers, wrong := parseAllowedSigners(value)
			k.signers = append(k.signers, signers...)
			for _, w := range wrong {
				bad = append(bad, brief(name)+" "+w)
			}
			continue
		}
		for block := range strings.SplitSeq(value[first+len(pgpBegin):], pgpBegin) {
			entities, err := readPGP(pgpBegin + block)
			if err != nil {
				bad = append(bad, fmt.Sprintf("%s (%s)", brief(name), brief(err.Error())))
			}
			k.pgp = append(k.pgp, entities...)
		}
	}
	return k, bad
}

func readPGP(block string) (openpgp.EntityList, error) {
	if !strings.HasPrefix(block, pgpBegin+"PUBLIC KEY BLOCK-----") {
		return nil, errors.New("not a public key")
	}
	return openpgp.ReadArmoredKeyRing(strings.NewReader(block))
}

// strong hashes: a signature over another could be somebody else's.
var strong = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512}

func (k keyring) gpg(payload []byte, signature string, now time.Time) (signedBy, problem string) {
	block, err := armor.Decode(strings.NewReader(signature))
	if err != nil {
		return "", "the commit's signature cannot be read: " + brief(err.Error())
	}
	config := &packet.Config{Time: func() time.Time { return now }}
	sig, signer, err := openpgp.VerifyDetachedSignature(k.pgp, bytes.NewReader(payload), block.Body, config)
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return "", "the commit is signed by a GPG key that is none of those that spec.verify.keysRef names" + issuer(signature)
	case errors.Is(err, pgperrors.ErrKeyExpired), errors.Is(err, pgperrors.ErrSignatureExpired), errors.Is(err, pgperrors.ErrKeyRevoked):
		return "", "the commit's signature does not count any more: " + brief(err.Error()) + "; sign it anew with a valid key"
	case err != nil || sig == nil || signer == nil:
		return "", "the commit's signature does not fit its content: it was changed after it was signed, or the signature is broken"
	case sig.SigType != packet.SigTypeBinary || !slices.Contains(strong, sig.Hash):
		return "", "the commit's signature rests on a weak hash; sign it anew with SHA-256 or better"
	}
	who := fmt.Sprintf("gpg:%X", signer.PrimaryKey.Fingerprint)
	if id := signer.PrimaryIdentity(); id != nil {
		who = brief(id.Name) + " " + who
	}
	return who, ""
}

// issuer of a signature, as it says itself.
func issuer(signature string) string {
	block, err := armor.Decode(strings.NewReader(signature))
	if err != nil {
		return ""
	}
	p, err := packet.Read(block.Body)
	if sig, ok := p.(*packet.Signature); err == nil && ok && sig.IssuerKeyId != nil {
		return fmt.Sprintf(" (%016X)", *sig.IssuerKeyId)
	}
	return ""
}

func (k keyring) ssh(payload []byte, signature string) (signedBy, problem string) {
	sig, err := sshsig.Unarmor([]byte(signature))
	if err != nil {
		return "", "the commit's signature cannot be read: " + brief(err.Error())
	}
	if err := sshsig.Verify(bytes.NewReader(payload), sig, sig.PublicKey, sig.HashAlgorithm, sshNamespace); err != nil {
		return "", "the commit's signature does not fit its content: it was changed after it was signed, or the signature is broken"
	}
	_, when := committed(payload)
	print := ssh.FingerprintSHA256(sig.PublicKey)
	why := ""
	for _, s := range k.signers {
		if !bytes.Equal(s.key.Marshal(), sig.PublicKey.Marshal()) {
			continue
		}
		if why = s.refuses(when); why == "" {
			return strings.TrimSpace(brief(s.principals) + " ssh:" + print), ""
		}
	}
	if why != "" {
		return "", "the commit is signed by the SSH key " + print + ", but " + why
	}
	return "", "the commit is signed by an SSH key that is none of those that spec.verify.keysRef names (" + print + ")"
}

// committed by whom and when.
func committed(payload []byte) (string, time.Time) {
	headers, _ := split(payload)
	for _, h := range headers {
		if h.name == "committer" {
			return person(h.value)
		}
	}
	return "", time.Time{}
}
