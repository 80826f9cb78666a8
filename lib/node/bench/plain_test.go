package bench

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sessiontool/lib/node"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

// plain is a relay of version 2 in straightforward Go: net/http on both sides with its connections kept,
// encoding/json, and the same cryptography with the node's key parsed once. It knows one storage method.
type plain struct {
	private *ecdh.PrivateKey
	address string
	peers   map[string]string // URLs by Ed25519 key
	client  *http.Client
	swarm   rpc20.SwarmAnswer
}

// startPlain starts a plain relay in the place of each node.
func startPlain(b *testing.B, nodes []*node.Node, addresses []string) []*plain {
	b.Helper()
	relays, urls, swarm := make([]*plain, len(nodes)), make(map[string]string), swarmOf(b, addresses[0])
	for i, n := range nodes {
		private := n.Keys().X25519.Private
		key, err := ecdh.X25519().NewPrivateKey(private[:])
		if err != nil {
			b.Fatal(err)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		transport.MaxIdleConnsPerHost = connections
		relays[i] = &plain{private: key, peers: urls, client: &http.Client{Transport: transport}, swarm: swarm}
		server := httptest.NewTLSServer(relays[i])
		b.Cleanup(server.Close)
		b.Cleanup(transport.CloseIdleConnections)
		relays[i].address = strings.TrimPrefix(server.URL, "https://")
		urls[n.Keys().Name()] = server.URL + onion.V2.Path()
	}
	return relays
}

// swarmOf returns the only swarm, as a node reports it.
func swarmOf(b *testing.B, address string) (answer rpc20.SwarmAnswer) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	body := call(b, storage.MethodSwarm, rpc20.SwarmParams{PubKey: strings.Repeat("0", storage.PubkeyTextLength)})
	response, err := client.Post("https://"+address+storage.RPCPath, "application/json", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		b.Fatal(err)
	}
	return answer
}

// ask posts an onion request and returns what is inside the answer.
func ask(b *testing.B, url string, wrapped *onion.Request) string {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	response, err := client.Post(url, "", bytes.NewReader(wrapped.Body))
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	sealed, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	opened, err := wrapped.OpenResponse(sealed)
	if err != nil {
		b.Fatalf("%s: %v", sealed, err)
	}
	return opened.Body
}

func (p *plain) answer(b *testing.B, wrapped *onion.Request) string {
	b.Helper()
	return ask(b, "https://"+p.address+onion.V2.Path(), wrapped)
}

// ServeHTTP implements http.Handler.
func (p *plain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := p.serve(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Write(answer)
}

func (p *plain) serve(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var outer struct {
		EphemeralKey string `json:"ephemeral_key"`
	}
	sealed, err := split(body, &outer)
	if err != nil {
		return nil, err
	}
	aead, err := p.cipher(outer.EphemeralKey)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("too short")
	}
	layer, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	if err != nil {
		return nil, err
	}
	var inner struct {
		Destination string  `json:"destination"`
		Headers     *string `json:"headers"`
	}
	payload, err := split(layer, &inner)
	if err != nil {
		return nil, err
	}
	if inner.Headers != nil {
		return p.final(aead, payload)
	}
	return p.pass(p.peers[inner.Destination], payload, layer[4+len(payload):])
}

// split takes length, bytes and JSON apart.
func split(b []byte, tail any) ([]byte, error) {
	if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
		return nil, errors.New("length is wrong")
	}
	end := 4 + binary.LittleEndian.Uint32(b)
	return b[4:end], json.Unmarshal(b[end:], tail)
}

func (p *plain) cipher(ephemeral string) (cipher.AEAD, error) {
	raw, err := hex.DecodeString(ephemeral)
	if err != nil {
		return nil, err
	}
	public, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return nil, err
	}
	secret, err := p.private.ECDH(public)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte("LOKI"))
	mac.Write(secret)
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// pass posts a layer to the next relay.
func (p *plain) pass(url string, sealed, tail []byte) ([]byte, error) {
	var next struct {
		EphemeralKey string `json:"ephemeral_key"`
	}
	if err := json.Unmarshal(tail, &next); err != nil {
		return nil, err
	}
	text, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	body := binary.LittleEndian.AppendUint32(nil, uint32(len(sealed)))
	body = append(append(body, sealed...), text...)
	response, err := p.client.Post(url, "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

// final answers the request.
func (p *plain) final(aead cipher.AEAD, payload []byte) ([]byte, error) {
	var request struct {
		Method string            `json:"method"`
		Params map[string]string `json:"params"`
	}
	if err := json.Unmarshal(payload, &request); err != nil {
		return nil, err
	}
	if request.Method != storage.MethodSwarm || len(request.Params["pubKey"]) != storage.PubkeyTextLength {
		return nil, errors.New("no such method")
	}
	text, err := json.Marshal(p.swarm)
	if err != nil {
		return nil, err
	}
	plaintext, err := json.Marshal(map[string]any{"body": string(text), "status": 200})
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	return []byte(base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, plaintext, nil))), nil
}
