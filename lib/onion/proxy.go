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

// Proxy requests are the predecessor of onion requests, from Session Desktop 1.0.1 (storage-2.0.md section 7.5;
// signal-2020.md section 13). One node relays a request that is encrypted for the target. That node learns both client
// and target. Nodes serve proxy requests at ProxyPath. Headers carry the client's X25519 key and the target's Ed25519
// key in hex.
const (
	ProxyPath         = "/proxy"
	ProxySenderHeader = "X-Sender-Public-Key"
	ProxyTargetHeader = "X-Target-Snode-Key"
)

// proxyPause is the header inside a proxy request that asks for a delayed response (storage-2.0.md section 2.1).
const proxyPause = "X-Loki-Long-Poll"

// ErrProxy reports a proxy request that does not decrypt or is malformed. It has no cause, because AES-CBC does not
// authenticate: a node that distinguished wrong padding from wrong JSON would be a padding oracle.
var ErrProxy = errors.New("proxy request does not open")

// Proxied is a decrypted proxy request. It holds the key for the response.
type Proxied struct {
	// Payload is the JSON text of a storage RPC request.
	Payload []byte
	// Pause reports that the client asks for a delayed response.
	Pause bool

	cipher cbc
}

// OpenProxy decrypts the body of a proxy request for node: an IV of 16 bytes, then AES-256-CBC with PKCS #7 padding of
// JSON with the request as "body". The key is the X25519 secret of node and sender, a public key in hex. Every error is
// ErrProxy. If sender is a valid key, the result is not nil even with an error, and encrypts the response.
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

// open decrypts iv || ciphertext.
func (p *Proxied) open(body []byte) ([]byte, bool) {
	plaintext, err := open(p.cipher, body)
	return plaintext, err == nil
}

// SealResponse encrypts the response: the base64 text of an IV, read from random, and AES-256-CBC of {"body",
// "status"}. The HTTP status of the response is always 200. The error is ErrNotText or random's.
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
