package ring

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"sessiontool/lib/storage"
)

// ErrIdentity reports a node that does not prove possession of the key of its address.
var ErrIdentity = errors.New("certificate is not that of the node")

// VerifyPeer is a [tls.Config] VerifyConnection callback. It returns ErrIdentity unless the server's certificate has
// the Ed25519 key of the address in ServerName.
func VerifyPeer(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return ErrIdentity
	}
	key, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok || storage.SnodeAddress([32]byte(key)) != state.ServerName {
		return ErrIdentity
	}
	return nil
}

// IdentityCertificate makes the certificate that a node presents to peers: its Ed25519 key, self-signed. It is made at
// each start and not written to disk.
func IdentityCertificate(keys Keys, now time.Time) (tls.Certificate, error) {
	private := ed25519.PrivateKey(keys.Ed25519[:])
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(certificateTTL),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("node certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: private}, nil
}
