package ring

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/sessionid"
)

func TestLoadKeysKeepsThem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	first, err := LoadKeys(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadKeys(dir, rand.Reader)
	if err != nil || again.Ed25519 != first.Ed25519 || again.X25519.Private != first.X25519.Private {
		t.Fatalf("the second start is %s (%v), the first was %s", again.Name(), err, first.Name())
	}
	info, err := os.Stat(filepath.Join(dir, keyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v; want mode 0600", info, err)
	}
	converted, err := sessionid.PublicKeyFromEd25519(first.Ed25519.Public())
	if err != nil || converted != first.X25519.Public {
		t.Errorf("x25519 key is %s, want the form %s of the ed25519 key", first.X25519.Public, converted)
	}
	if address := first.Address(); len(address) != 52+len(".snode") {
		t.Errorf("address %q has %d characters", address, len(address))
	}
}

func TestLoadKeysRefuses(t *testing.T) {
	seed := strings.Repeat("ab", 32)
	for _, test := range []struct {
		name, content string
		mode          os.FileMode
	}{
		{"open to others", seed, 0o644},
		{"too short", seed[:62], 0o600},
		{"not hex", "zz" + seed[2:], 0o600},
		{"empty", "", 0o600},
	} {
		path := filepath.Join(t.TempDir(), keyFile)
		if err := os.WriteFile(path, []byte(test.content), test.mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKeys(filepath.Dir(path), rand.Reader)
		if !errors.Is(err, ErrKeyFile) || !errors.Is(err, ErrFolder) {
			t.Errorf("%s: %v, want ErrKeyFile and ErrFolder", test.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "abab") {
			t.Errorf("%s: the error shows the key: %v", test.name, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKeys(file, rand.Reader); !errors.Is(err, ErrFolder) && runtime.GOOS != "windows" {
		t.Errorf("a file in the folder's place: %v, want ErrFolder", err)
	}
	if _, err := LoadKeys(t.TempDir(), bytes.NewReader(nil)); err == nil {
		t.Error("keys were made without randomness")
	}
}

func TestKeysDoNotPrintSecrets(t *testing.T) {
	keys := KeysFromSeed([32]byte{1})
	text := fmt.Sprintf("%v %+v %x", keys, keys, keys)
	if !strings.Contains(text, "redacted") || strings.Contains(text, "0100000000") {
		t.Errorf("printed: %s", text)
	}
}

func TestCertificateIsKeptAndSelfSigned(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	first, err := LoadCertificate(dir, CertificateSpec{}, rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadCertificate(dir, CertificateSpec{}, rand.Reader, now)
	if err != nil || !bytes.Equal(first.Certificate[0], again.Certificate[0]) {
		t.Fatalf("the second start has another certificate (%v)", err)
	}
	certificate, err := x509.ParseCertificate(first.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	algorithm := certificate.SignatureAlgorithm
	err = certificate.CheckSignature(algorithm, certificate.RawTBSCertificate, certificate.Signature)
	if err != nil {
		t.Error(err)
	}
	from, to := certificate.NotBefore, certificate.NotAfter
	end := now.Add(certificateTTL)
	if certificate.PublicKeyAlgorithm != x509.ECDSA || now.Before(from) || end.After(to.Add(time.Second)) {
		t.Errorf("certificate of %v from %v to %v", certificate.PublicKeyAlgorithm, from, to)
	}
	file := filepath.Join(dir, certificateFile)
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err = LoadCertificate(dir, CertificateSpec{}, rand.Reader, now)
	if !errors.Is(err, ErrKeyFile) && runtime.GOOS != "windows" {
		t.Errorf("a private key that others can read: %v, want ErrKeyFile", err)
	}
	if err := errors.Join(os.Chmod(file, 0o600), os.WriteFile(file, []byte("damaged"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if damaged, err := LoadCertificate(dir, CertificateSpec{}, rand.Reader, now); !errors.Is(err, ErrFolder) {
		t.Errorf("a damaged file gave %v, %v; want ErrFolder", tls.Certificate(damaged).Certificate, err)
	}
}
