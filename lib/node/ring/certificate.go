package ring

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"path/filepath"
	"time"

	"sessiontool/lib/internal/atomicfile"
)

const (
	// certificateFile holds the TLS certificate and its private key in PEM.
	certificateFile = "tls.pem"
	// certificateTTL is that of the 2020 server's certificates (storage-2.0.md section 1.1).
	certificateTTL = 10000 * 24 * time.Hour
)

// LoadCertificate returns the self-signed TLS certificate kept in dir, which must exist. The first call makes one. The
// error is ErrFolder, and ErrKeyFile as well if others may read the file. Clients cannot check this certificate; the
// onion layer binds a node to its keys.
func LoadCertificate(dir string, random io.Reader, now time.Time) (tls.Certificate, error) {
	path := filepath.Join(dir, certificateFile)
	kept, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		if kept, err = makeCertificate(random, now); err == nil {
			err = atomicfile.Write(path, kept, 0o600)
		}
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	certificate, err := tls.X509KeyPair(kept, kept)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%w: %s: %w", ErrFolder, path, err)
	}
	return certificate, nil
}

// makeCertificate returns a fresh ECDSA P-256 key and its self-signed certificate in PEM.
func makeCertificate(random io.Reader, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(certificateTTL),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(random, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	kept := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return append(kept, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...), nil
}
