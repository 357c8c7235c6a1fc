package gitserver

import (
	"bytes"
	"crypto"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// SSHSigner signs with a private key in PEM form, in a namespace: git's own is "git".
func SSHSigner(private []byte, namespace string) Signer {
	return func(payload []byte) (string, error) {
		key, err := ssh.ParsePrivateKey(private)
		if err != nil {
			return "", fmt.Errorf("reading the key: %w", err)
		}
		sig, err := sshsig.Sign(bytes.NewReader(payload), key, sshsig.HashSHA512, namespace)
		if err != nil {
			return "", err
		}
		return string(sshsig.Armor(sig)), nil
	}
}

// GPG key.
type GPG struct {
	// Public key, armored, and its Fingerprint in capitals.
	Public, Fingerprint string

	entity *openpgp.Entity
	config packet.Config
}

// NewGPG makes a key that is as old as is said, and ends after its lifetime; 0 is never.
func NewGPG(name, email string, made time.Time, lifetime time.Duration) (*GPG, error) {
	config := packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return made }, DefaultHash: crypto.SHA512,
		KeyLifetimeSecs: uint32(lifetime.Seconds()),
	}
	entity, err := openpgp.NewEntity(name, "", email, &config)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err != nil {
		return nil, err
	}
	if err := entity.Serialize(w); err != nil {
		return nil, fmt.Errorf("writing the key: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	g := &GPG{Public: out.String() + "\n", Fingerprint: fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint), entity: entity, config: config}
	g.config.Time = nil
	return g, nil
}

// Signer that signs now, with a hash such as crypto.SHA512.
func (g *GPG) Signer(hash crypto.Hash) Signer {
	return func(payload []byte) (string, error) {
		config := g.config
		config.DefaultHash = hash
		made := g.entity.PrimaryKey.CreationTime.Add(time.Second)
		config.Time = func() time.Time { return made }
		var out bytes.Buffer
		err := openpgp.ArmoredDetachSign(&out, g.entity, bytes.NewReader(payload), &config)
		return out.String() + "\n", err
	}
}
