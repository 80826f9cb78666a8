package keystore

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"sessiontool/keystore/internal/tree"
)

// The header can be read without a key. It is the keystore's id and the wrap, which is
//
//	1, nonce (24), sealed data key (48)                                                  under a key file
//	2, memory in KiB (4), passes (4), threads (1), salt (16), nonce (24), sealed data key (48)
//	                                                                                     under a passphrase
//
// The data key is sealed with XChaCha20-Poly1305. Authenticated are the number 1 (4 bytes, big-endian), the id (16
// random bytes) and everything in front of the nonce. That number and the id were the header of format 1; keeping them
// lets a wrap survive a change of format.
const (
	formatVersion = 1
	formatSize    = 4 + 16
	saltSize      = 16
	kdfSize       = 4 + 4 + 1
	sealedKeySize = len(secret{}) + sealOverhead

	wrappedByKeyFile    = 1
	wrappedByPassphrase = 2
)

// format is the number and the id. The id distinguishes a keystore from a later one in the same directory.
type format [formatSize]byte

// header is the header of a keystore.
type header struct {
	format  format
	wrap    wrap
	format1 bool // opening converts the file
}

func (h header) head() tree.Head {
	return tree.Head{ID: [tree.SizeOfID]byte(h.format[4:]), Part: h.wrap.encode()}
}

// parseHead parses the head of a tree.
func parseHead(head tree.Head) (h header, err error) {
	h.format = formatOf(head.ID)
	h.wrap, err = parseWrap(head.Part)
	return h, err
}

func formatOf(id [tree.SizeOfID]byte) (f format) {
	binary.BigEndian.PutUint32(f[:], formatVersion)
	copy(f[4:], id[:])
	return f
}

func newFormat() format { return formatOf(tree.NewID()) }

// parseFormat returns [ErrVersion] for versions above formatVersion, whatever follows them. It returns [ErrCorrupt] for
// anything else that newFormat does not make.
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

// wrap is the data key, sealed under the key that unlocks the keystore.
type wrap struct {
	kind   byte
	kdf    kdf            // for a passphrase
	salt   [saltSize]byte // for a passphrase
	sealed [sealedKeySize]byte
}

func newKeyFileWrap() wrap { return wrap{kind: wrappedByKeyFile} }

func newPassphraseWrap(p kdf) wrap {
	w := wrap{kind: wrappedByPassphrase, kdf: p}
	rand.Read(w.salt[:])
	return w
}

// prefix returns the encoding up to the nonce.
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

// parseWrap returns [ErrCorrupt] for anything that encode does not make, and for parameters out of bounds.
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

// place returns the associated data of the sealed data key.
func (w wrap) place(f format) []byte { return bytes.Join([][]byte{f[:], w.prefix()}, nil) }

// seal stores the data key, sealed under key.
func (w *wrap) seal(f format, key, data secret) {
	nonce := w.sealed[:nonceSize]
	rand.Read(nonce)
	copy(w.sealed[nonceSize:], key.aead().Seal(nil, nonce, data[:], w.place(f)))
}

// open returns the data key. An error means that the key is wrong or that the header was changed; the two cannot be
// distinguished.
func (w wrap) open(f format, key secret) (secret, error) {
	data, err := key.aead().Open(nil, w.sealed[:nonceSize], w.sealed[nonceSize:], w.place(f))
	if err != nil {
		return secret{}, err
	}
	return secret(data), nil
}
