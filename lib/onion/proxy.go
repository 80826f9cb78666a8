package onion

import (
	"crypto/aes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"sessiontool/lib/x25519"
)

// Proxy requests are what Session Desktop 1.0.1 made before there were onions: a node passes a request on to the target,
// for which alone it is encrypted, and learns who asks whom (storage-2.0.md section 7.5; signal-2020.md section 13).
// Nodes serve them at ProxyPath; the client's X25519 key and the target's Ed25519 key, both in hex, are in headers.
const (
	ProxyPath         = "/proxy"
	ProxySenderHeader = "X-Sender-Public-Key"
	ProxyTargetHeader = "X-Target-Snode-Key"
)

// proxyPause is the header inside a proxy request that asks for a delayed answer (storage-2.0.md section 2.1).
const proxyPause = "X-Loki-Long-Poll"

// ErrProxy reports a proxy request that does not open to one. What is wrong with it is not told to anybody, because
// AES-CBC by itself does not protect what it encrypts: a node that told bad padding from bad JSON would help to decrypt.
var ErrProxy = errors.New("proxy request does not open")

// Proxied is an opened proxy request. It holds the key for the answer.
type Proxied struct {
	// Payload is the JSON text of a storage RPC request.
	Payload []byte
	// Pause says that the client wants its answer delayed.
	Pause bool

	cipher cbc
}

// OpenProxy opens the body of a proxy request for node: a vector of 16 bytes, then AES-256-CBC with PKCS #7 padding under
// the X25519 secret of sender, which is a key in hex, of JSON with the request as "body". If the secret can be made but the
// rest is wrong, the error is ErrProxy and what is returned still seals the answer; otherwise nothing is returned.
func OpenProxy(node x25519.KeyPair, sender string, body []byte) (*Proxied, error) {
	public, err := parseKey(sender)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProxy, err)
	}
	secret, err := node.DH(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProxy, err)
	}
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		return nil, err
	}
	p := &Proxied{cipher: cbc{block}}
	plaintext, ok := p.open(body)
	if !ok {
		return p, ErrProxy
	}
	fields, err := parseObject(plaintext)
	if err != nil {
		return p, ErrProxy
	}
	text, err := fields.text("body")
	if err != nil {
		return p, ErrProxy
	}
	p.Payload = []byte(text)
	headers, err := parseObject(fields["headers"])
	p.Pause = err == nil && headers.has(proxyPause)
	return p, nil
}

// open decrypts iv || ciphertext and takes the padding off.
func (p *Proxied) open(body []byte) ([]byte, bool) {
	plaintext, err := open(p.cipher, body)
	return plaintext, err == nil
}

// SealResponse makes the answer: the base64 text of a vector drawn from random, and AES-256-CBC of {"body", "status"}. It
// goes back with HTTP status 200 whatever status says. The error is ErrNotText or random's.
func (p *Proxied) SealResponse(random io.Reader, status int, body string) ([]byte, error) {
	if !utf8.ValidString(body) {
		return nil, ErrNotText
	}
	plaintext, err := marshalResponse(status, body)
	if err != nil {
		return nil, err
	}
	sealed, err := seal(random, p.cipher, plaintext)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.AppendEncode(nil, sealed), nil
}
