package node

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/edwards25519"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
	"sessiontool/lib/swarm"
	"sessiontool/lib/x25519"
)

// smallOrderSignature is a signature whose point R is the neutral point. crypto/ed25519 accepts it; libsodium does not.
func smallOrderSignature(t *testing.T, key sessionid.SigningKey, text []byte) []byte {
	t.Helper()
	digest := sha512.Sum512(key[:32])
	secret, err := edwards25519.NewScalar().SetBytesWithClamping(digest[:32])
	if err != nil {
		t.Fatal(err)
	}
	point := edwards25519.NewIdentityPoint().Bytes()
	public := key.Public()
	hash := sha512.New()
	hash.Write(point)
	hash.Write(public[:])
	hash.Write(text)
	k, err := edwards25519.NewScalar().SetUniformBytes(hash.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	signature := append(point, edwards25519.NewScalar().Multiply(k, secret).Bytes()...)
	if !ed25519.Verify(public[:], text, signature) {
		t.Fatal("crypto/ed25519 refuses the signature, so this test shows nothing")
	}
	return signature
}

// Every signature that a node verifies is refused if its R has a small order: those of owners in both RPC versions, and
// those of other nodes.
func TestSmallOrderSignaturesAreRefused(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	alice := newUser(t, 5)
	text := signtext.Retrieve(rpc28.NamespaceMessages, now.UnixMilli())
	signature := base64.StdEncoding.EncodeToString(smallOrderSignature(t, alice.Keys.Ed25519, text))

	old, today := alice.retrieve("", now), alice.get(0, now)
	old.Signature, today.Signature = signature, signature
	for name, params := range map[string]any{"storage RPC 2.0": old, "storage RPC 2.8": today} {
		if got := network.call(0, storage.MethodRetrieve, params); got.status != 401 {
			t.Errorf("%s: %v", name, got)
		}
	}

	other := network.nodes[1].Keys()
	header := make(http.Header)
	peerhttp.Sign(header, other, network.nodes[0].Keys().Name(), replication.DigestPath, now, nil)
	signed := "sessiontool node v1|" + network.nodes[0].Keys().Name() + "|" + replication.DigestPath + "|" +
		strconv.FormatInt(now.UnixMilli(), 10) + "|" + header.Get(peerhttp.DigestHeader)
	header.Set(peerhttp.SignatureHeader,
		base64.StdEncoding.EncodeToString(smallOrderSignature(t, other.Ed25519, []byte(signed))))
	if got := network.do(0, http.MethodPost, replication.DigestPath, header, nil); got.status != 401 {
		t.Errorf("another node: %v", got)
	}
}

// layerWith returns a request of /onion_req or, of version 2, /onion_req/v2, whose only layer has this shared secret.
func layerWith(t *testing.T, secret [32]byte, ephemeral x25519.PublicKey, path string) string {
	t.Helper()
	mac := hmac.New(sha256.New, []byte("LOKI"))
	mac.Write(secret[:])
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(plaintext string) string {
		return string(aead.Seal(make([]byte, aead.NonceSize()), make([]byte, aead.NonceSize()), []byte(plaintext), nil))
	}
	framed := func(data, object string) string {
		return string(binary.LittleEndian.AppendUint32(nil, uint32(len(data)))) + data + object
	}
	const payload = `{"method":"info","params":{}}`
	if strings.HasSuffix(path, "v2") {
		return framed(seal(framed(payload, `{"headers":[]}`)), `{"ephemeral_key":"`+ephemeral.String()+`"}`)
	}
	sealed := seal(`{"body":` + strconv.Quote(payload) + `,"headers":""}`)
	return `{"ciphertext":"` + base64.StdEncoding.EncodeToString([]byte(sealed)) + `","ephemeral_key":"` +
		ephemeral.String() + `"}`
}

// An onion layer with a zero shared secret does not open, because its sender needs no key. It is well encrypted: with a
// true secret the same layer opens.
func TestZeroSharedSecretIsRefused(t *testing.T) {
	n := bareNode(t)
	ephemeral, err := x25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := ephemeral.DH(n.keys.X25519.Public)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/onion_req", "/onion_req/v2"} {
		status, text := n.served(t, path, layerWith(t, secret, ephemeral.Public, path))
		if status != 200 {
			t.Fatalf("%s: a layer with a true secret: %d %q, so this test shows nothing", path, status, text)
		}
		for _, key := range []x25519.PublicKey{{}, {1}, {31: 0x80}} {
			status, text := n.served(t, path, layerWith(t, [32]byte{}, key, path))
			if status != 400 || text != "Invalid ciphertext" {
				t.Errorf("%s with ephemeral key %s: %d %q", path, key, status, text)
			}
		}
	}
}

// Times beyond 64 bits are bad input, at every place where a client writes one.
func TestTimesBeyondInt64(t *testing.T) {
	n := bareNode(t)
	alice := newUser(t, 5)
	auth := `"pubkey":"` + alice.pubKey() + `","signature":"` + base64.StdEncoding.EncodeToString(make([]byte,
		64)) + `"`
	const huge = "99999999999999999999"
	for _, request := range []string{
		`{"method":"store","params":{"pubKey":"` + alice.pubKey() + `","ttl":"86400000","nonce":"","timestamp":"` + huge + `","data":""}}`,
		`{"method":"store","params":{"pubKey":"` + alice.pubKey() + `","ttl":"` + huge + `","nonce":"","timestamp":"1","data":""}}`,
		`{"method":"store","params":{"pubkey":"` + alice.pubKey() + `","ttl":86400000,"timestamp":` + huge + `,"data":""}}`,
		`{"method":"store","params":{"pubkey":"` + alice.pubKey() + `","expiry":` + huge + `,"timestamp":1795391232497,"data":""}}`,
		`{"method":"retrieve","params":{` + auth + `,"timestamp":` + huge + `}}`,
		`{"method":"delete_all","params":{` + auth + `,"timestamp":` + huge + `}}`,
		`{"method":"delete_before","params":{` + auth + `,"before":` + huge + `}}`,
		`{"method":"expire_all","params":{` + auth + `,"expiry":` + huge + `}}`,
		`{"method":"expire","params":{` + auth + `,"messages":["` + strings.Repeat("A",
			43) + `"],"expiry":[` + huge + `]}}`,
		`{"method":"get_expiries","params":{` + auth + `,"messages":["` + strings.Repeat("A",
			43) + `"],"timestamp":` + huge + `}}`,
	} {
		if got := n.storageRPC(t.Context(), []byte(request)); got.status < 400 || got.status >= 500 {
			t.Errorf("%s: status %d %q", request, got.status, got.body)
		}
	}
}

// served posts to the node without a network.
func (n *Node) served(t *testing.T, path, body string) (status int, text string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	n.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
	return recorder.Code, recorder.Body.String()
}

// A page of another site reaches nothing of a node.
func TestNodeRefusesBrowsers(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	for _, path := range []string{storage.RPCPath, "/onion_req", "/onion_req/v2", storage.PingPath,
		replication.PushPath, ForwardPath} {
		got := network.do(0, http.MethodPost, path, http.Header{"Origin": {"https://evil.example"}}, nil)
		if got.status != 403 {
			t.Errorf("%s: status %d", path, got.status)
		}
	}
}
