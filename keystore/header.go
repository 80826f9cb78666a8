package keystore

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// The header is two plain records:
//
//	format  version (4 bytes, big-endian), keystore id (16 random bytes)
//	wrap    1, nonce (24), sealed data key (48)                                           under a key file
//	        2, memory in KiB (4), passes (4), threads (1), salt (16), nonce (24), sealed data key (48)
//	                                                                                     under a passphrase
//
// The data key is sealed with XChaCha20-Poly1305; format and everything in front of the nonce are authenticated.
const (
	formatVersion = 1
	formatSize    = 4 + 16
	saltSize      = 16
	kdfSize       = 4 + 4 + 1
	sealedKeySize = len(secret{}) + sealOverhead

	wrappedByKeyFile    = 1
	wrappedByPassphrase = 2
)

// format is the header's first value. Its id tells one keystore from another in the same place.
type format [formatSize]byte

func newFormat() format {
	var f format
	binary.BigEndian.PutUint32(f[:], formatVersion)
	rand.Read(f[4:])
	return f
}

// parseFormat returns ErrVersion for versions above formatVersion, whatever follows them, and ErrCorrupt for anything
// else that newFormat does not make.
func parseFormat(b []byte) (format, error) {
	if len(b) < 4 {
		return format{}, fmt.Errorf("%w: header of %d bytes", ErrCorrupt, len(b))
	}
	version := binary.BigEndian.Uint32(b)
	if version > formatVersion {
		return format{}, fmt.Errorf("%w: %d", ErrVersion, version)
	}
	if version != formatVersion || len(b) != formatSize {
		return format{}, fmt.Errorf("%w: header of version %d has %d bytes", ErrCorrupt, version, len(b))
	}
	return format(b), nil
}

// wrap is the header's second value: the data key, sealed under the key that unlocks the keystore.
type wrap struct {
	kind   byte
	kdf    kdf            // of a passphrase
	salt   [saltSize]byte // of a passphrase
	sealed [sealedKeySize]byte
}

func newKeyFileWrap() wrap { return wrap{kind: wrappedByKeyFile} }

func newPassphraseWrap(p kdf) wrap {
	w := wrap{kind: wrappedByPassphrase, kdf: p}
	rand.Read(w.salt[:])
	return w
}

// prefix is what is encoded in front of the sealed key.
func (w wrap) prefix() []byte {
	b := []byte{w.kind}
	if w.kind == wrappedByPassphrase {
		b = binary.BigEndian.AppendUint32(b, w.kdf.memory)
		b = binary.BigEndian.AppendUint32(b, w.kdf.passes)
		b = append(b, w.kdf.threads)
		b = append(b, w.salt[:]...)
	}
	return b
}

func (w wrap) encode() []byte { return append(w.prefix(), w.sealed[:]...) }

// parseWrap returns ErrCorrupt for anything that encode does not make, and for parameters that are out of bounds.
func parseWrap(b []byte) (wrap, error) {
	var w wrap
	if len(b) > 0 {
		w.kind = b[0]
	}
	prefixSize := map[byte]int{
		wrappedByKeyFile:    1,
		wrappedByPassphrase: 1 + kdfSize + saltSize,
	}[w.kind]
	if prefixSize == 0 || len(b) != prefixSize+sealedKeySize {
		return wrap{}, fmt.Errorf("%w: wrapped key of kind %d has %d bytes", ErrCorrupt, w.kind, len(b))
	}
	if w.kind == wrappedByPassphrase {
		w.kdf = kdf{memory: binary.BigEndian.Uint32(b[1:]), passes: binary.BigEndian.Uint32(b[5:]), threads: b[9]}
		if !w.kdf.valid() {
			return wrap{}, fmt.Errorf("%w: key derivation parameters are out of bounds", ErrCorrupt)
		}
		w.salt = [saltSize]byte(b[1+kdfSize:])
	}
	w.sealed = [sealedKeySize]byte(b[prefixSize:])
	return w, nil
}

// place is what is authenticated with the data key.
func (w wrap) place(f format) []byte { return bytes.Join([][]byte{f[:], w.prefix()}, nil) }

// seal stores the data key, sealed under key.
func (w *wrap) seal(f format, key, data secret) {
	nonce := w.sealed[:nonceSize]
	rand.Read(nonce)
	copy(w.sealed[nonceSize:], key.aead().Seal(nil, nonce, data[:], w.place(f)))
}

// open returns the data key. Any failure means that key is not the one that seal was given, or that the header was
// changed, which look the same.
func (w wrap) open(f format, key secret) (secret, error) {
	data, err := key.aead().Open(nil, w.sealed[:nonceSize], w.sealed[nonceSize:], w.place(f))
	if err != nil {
		return secret{}, err
	}
	return secret(data), nil
}
