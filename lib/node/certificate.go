package node

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
	"sessiontool/lib/node/store"
)

const (
	// certificateFile holds the TLS certificate and its private key in PEM.
	certificateFile = "tls.pem"
	// certificateLife is that of the 2020 server's certificates (storage-2.0.md section 1.1).
	certificateLife = 10000 * 24 * time.Hour
)

// loadCertificate returns the self-signed certificate kept in dir, which exists. It makes one at the first call.
// The error is ErrFolder, and also ErrKeyFile if others may read the file. Nobody can check it: what binds a node to its
// keys is the onion layer.
func loadCertificate(dir string, random io.Reader, now time.Time) (tls.Certificate, error) {
	path := filepath.Join(dir, certificateFile)
	kept, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		if kept, err = makeCertificate(random, now); err == nil {
			err = atomicfile.Write(path, kept, 0o600)
		}
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%w: %w", store.ErrFolder, err)
	}
	certificate, err := tls.X509KeyPair(kept, kept)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%w: %s: %w", store.ErrFolder, path, err)
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
		NotAfter:     now.Add(certificateLife),
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
