package ring

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"sessiontool/lib/internal/atomicfile"
)

// CertificateKey is the kind of a certificate's key.
type CertificateKey int

// The kinds of key.
const (
	KeyP256 CertificateKey = iota
	KeyRSA2048
)

// file returns the name of the file that holds the certificate and its private key in PEM.
func (k CertificateKey) file() string {
	if k == KeyRSA2048 {
		return "tls-rsa.pem"
	}
	return certificateFile
}

// generate makes a key.
func (k CertificateKey) generate(random io.Reader) (crypto.Signer, error) {
	if k == KeyRSA2048 {
		return rsa.GenerateKey(random, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), random)
}

// CertificateSpec holds what differs between the TLS certificates of server versions. The zero value describes the
// certificates of this program's nodes.
type CertificateSpec struct {
	Key     CertificateKey
	Subject pkix.Name // without the common name, which is localhost
}

const (
	certificateFile = "tls.pem"
	// certificateTTL is the validity of the 2020 server's certificates (storage-2.0.md section 1.1).
	certificateTTL = 10000 * 24 * time.Hour
)

// LoadCertificate returns the self-signed TLS certificate kept in dir, which must exist. The first call for a kind of
// key makes one. The error is ErrFolder, and ErrKeyFile as well if other users may read the file. Clients cannot verify
// this certificate; the onion layer binds a node to its keys.
func LoadCertificate(dir string, spec CertificateSpec, random io.Reader, now time.Time) (tls.Certificate, error) {
	path := filepath.Join(dir, spec.Key.file())
	kept, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		if kept, err = makeCertificate(spec, random, now); err == nil {
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

// SetAsideCertificates renames the damaged certificates in dir, so that the node makes new ones, and returns what is
// wrong with them.
func SetAsideCertificates(dir string) (damage []error, err error) {
	for _, kind := range []CertificateKey{KeyP256, KeyRSA2048} {
		path := filepath.Join(dir, kind.file())
		kept, err := readPrivate(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			_, err = tls.X509KeyPair(kept, kept)
		}
		if err == nil {
			continue
		}
		damage = append(damage, fmt.Errorf("%s: %w", path, err))
		if err := os.Rename(path, path+".damaged"); err != nil {
			return damage, err
		}
	}
	return damage, nil
}

// makeCertificate returns a fresh key and its self-signed certificate in PEM.
func makeCertificate(spec CertificateSpec, random io.Reader, now time.Time) ([]byte, error) {
	key, err := spec.Key.generate(random)
	if err != nil {
		return nil, err
	}
	spec.Subject.CommonName = "localhost"
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      spec.Subject,
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
