package node

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sessiontool/lib/node/difficulty"
	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/x25519"
)

// batchPath is where the recorded nodes give each other messages; ours do so at PushPath.
const batchPath = "/swarms/push_batch/v1"

// tlsNote is about a TLS version that the recorder tried.
var tlsNote = regexp.MustCompile(`^check: TLS (1\.\d)$`)

var tlsVersions = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12,
	"1.3": tls.VersionTLS13}

// handshake tries a TLS version as the recorder did.
func (r *replay) handshake(i int) {
	r.t.Helper()
	row := r.rows[i]
	name := tlsNote.FindStringSubmatch(row.Note)[1]
	version := tlsVersions[name]
	conn, err := r.dialTLS(0, &tls.Config{MinVersion: version, MaxVersion: version})
	if err == nil {
		conn.Close()
	}
	want := strings.HasPrefix(*row.Info, "accepted")
	if version == tls.VersionTLS13 && !want {
		r.differ(newerTLS)
		want = true
	}
	if (err == nil) != want {
		r.t.Errorf("row %d: TLS %s accepted: %v, want %v (%v)", row.N, name, err == nil, want, err)
	}
}

// proxy replays a proxy request. One for a recorded node cannot be opened by ours, so that a request to which the
// answer is the same, for messages of which there are none, is made anew.
func (r *replay) proxy(i int) {
	r.t.Helper()
	row := r.rows[i]
	target, known := r.keys[row.RequestHeader[onion.ProxyTargetHeader]]
	if !known {
		r.exchange(i)
		return
	}
	client, err := x25519.GenerateKey(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	to := r.nodes[target-r.first]
	user := newUser(r.t, to.members.View().Self.Swarm, to.members.View().IDs...)
	text := string(request(r.t, storage.MethodRetrieve, rpc20.RetrieveParams{PubKey: user.pubKey()}))
	got := r.proxied(row.Port-r.first, to.Keys(), client, text)
	if got.status != *row.Status || len(got.contentType) > 0 || len(got.body) != len(row.Response.Text) {
		r.t.Errorf("row %d, %s: %v, want status %d and %q", row.N, row.Note, got, *row.Status, row.Response.Text)
	}
	if plaintext := openProxied(r.testNetwork, to.Keys(), client,
		got.body); plaintext != `{"body":"{\"messages\":[]}","status":200}` {
		r.t.Errorf("row %d, %s: opens to %s", row.N, row.Note, plaintext)
	}
}

// proxied sends a storage request to a node through node i.
func (n *testNetwork) proxied(i int, to ring.Keys, client x25519.KeyPair, text string) reply {
	n.t.Helper()
	inside, err := json.Marshal(map[string]any{"method": "POST", "body": text, "headers": map[string]string{}})
	if err != nil {
		n.t.Fatal(err)
	}
	padding := aes.BlockSize - len(inside)%aes.BlockSize
	inside = append(inside, strings.Repeat(string(rune(padding)), padding)...)
	vector := make([]byte, aes.BlockSize)
	rand.Read(vector)
	cipher.NewCBCEncrypter(n.proxyCipher(to, client), vector).CryptBlocks(inside, inside)
	header := http.Header{}
	header.Set(onion.ProxySenderHeader, client.Public.String())
	header.Set(onion.ProxyTargetHeader, to.Name())
	return n.do(i, http.MethodPost, onion.ProxyPath, header, append(vector, inside...))
}

func (n *testNetwork) proxyCipher(node ring.Keys, client x25519.KeyPair) cipher.Block {
	n.t.Helper()
	secret, err := client.DH(node.X25519.Public)
	if err != nil {
		n.t.Fatal(err)
	}
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		n.t.Fatal(err)
	}
	return block
}

// openProxied opens the answer to a proxy request.
func openProxied(n *testNetwork, node ring.Keys, client x25519.KeyPair, body string) string {
	n.t.Helper()
	sealed, err := base64.StdEncoding.DecodeString(body)
	if err != nil || len(sealed) < 2*aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		n.t.Fatalf("%q is no proxy answer (%v)", body, err)
	}
	plaintext := make([]byte, len(sealed)-aes.BlockSize)
	cipher.NewCBCDecrypter(n.proxyCipher(node, client), sealed[:aes.BlockSize]).CryptBlocks(plaintext,
		sealed[aes.BlockSize:])
	return string(plaintext[:len(plaintext)-int(plaintext[len(plaintext)-1])])
}

// ruleNote is what the recorder found out about a push: what the difficulty was for the message's time, and what became
// of it.
var ruleNote = regexp.MustCompile(`rule says (\d+), .* proof (dropped|kept)$`)

// push replays what another node pushed, in our form and signed by our node in that one's place.
func (r *replay) push(i int) {
	r.t.Helper()
	row := r.rows[i]
	r.differ(ownProtocol)
	body, ok := row.Request.bytes(r.t)
	if !ok {
		r.t.Fatalf("row %d: the batch was cut off", row.N)
	}
	at, sender := row.Port-r.first, r.nodes[0].Keys()
	if port, known := r.keys[row.RequestHeader["X-Loki-Snode-PubKey"]]; known {
		sender = r.nodes[port-r.first].Keys()
	}
	messages, parses := parseBatch(body)
	text, now := encode(messages...), time.UnixMilli(r.clock.Load())
	if !parses {
		text = body
	}
	header := make(http.Header)
	peerhttp.Sign(header, sender, r.nodes[at].Keys().Name(), replication.PushPath, now, text)
	switch {
	case row.Response.Text == "Unknown service node\n":
		stranger, err := ring.LoadKeys(r.t.TempDir(), rand.Reader)
		if err != nil {
			r.t.Fatal(err)
		}
		peerhttp.Sign(header, stranger, r.nodes[at].Keys().Name(), replication.PushPath, now, text)
	case *row.Status == storage.StatusUnauthorized:
		peerhttp.Sign(header, sender, r.nodes[at].Keys().Name(), replication.PushPath, now, append(text, 'x'))
	case strings.HasPrefix(row.Response.Text, "Missing field"):
		header = nil
	}
	r.learnDifficulty(i)
	got := r.do(at, http.MethodPost, replication.PushPath, header, text)
	switch {
	case header == nil:
		r.wantReply(row, got, storage.StatusUnauthorized)
	case *row.Status != 200:
		r.wantReply(row, got, *row.Status)
	case !parses:
		r.differ(badBatch)
		r.wantReply(row, got, storage.StatusBadRequest)
	default:
		r.wantTaken(i, at, got, messages)
	}
}

func (r *replay) wantReply(row row, got reply, status int) {
	r.t.Helper()
	if got.status != status {
		r.t.Errorf("row %d, %s: %v, want status %d", row.N, row.Note, got, status)
	}
}

// wantTaken checks what became of pushed messages.
func (r *replay) wantTaken(i, at int, got reply, messages []store.Message) {
	r.t.Helper()
	row, counts, node := r.rows[i], decode[pushCounts](r.t, got, 200), r.nodes[at]
	rule := r.rule(i)
	want := 0
	for _, m := range messages {
		timestamp, _ := m.TimestampMillis()
		proven := m.Meets(node.difficulty.Of(timestamp)) // what counts where the recorder says nothing
		if kept := rule != nil && rule[2] == "kept"; rule != nil && kept != proven {
			if proven {
				r.differ(replaced) // by a change before the message
			} else {
				proven = true
			}
		}
		switch {
		case m.Hash != store.NewMessage20(m.Params20()).Hash || !proven:
		case !node.members.View().Owns(m.PubKey):
			r.differ(elsewhere)
		default:
			want++
		}
	}
	if counts.Stored != want || counts.Stored+counts.Refused != len(messages) {
		r.t.Errorf("row %d, %s: %v of %d messages, want %d stored", row.N, row.Note, counts, len(messages), want)
	}
}

// rule returns what the recorder found out about the push in row i, if anything.
func (r *replay) rule(i int) []string {
	if i+1 >= len(r.rows) {
		return nil
	}
	return ruleNote.FindStringSubmatch(r.rows[i+1].Note)
}

// learnDifficulty gives the node of row i, if that is the first of a run of pushes about difficulty, a history that
// says about each of their messages what the recorder says.
func (r *replay) learnDifficulty(i int) {
	r.t.Helper()
	if r.rule(i) == nil || i >= 2 && r.rule(i-2) != nil {
		return
	}
	d := r.nodes[r.rows[i].Port-r.first].difficulty
	history, before := []difficulty.Entry(nil), int64(math.MaxInt64)
	rules := make(map[int64]uint64)
	for ; i < len(r.rows) && r.rule(i) != nil; i += 2 { // messages are ever older
		body, _ := r.rows[i].Request.bytes(r.t)
		messages, ok := parseBatch(body)
		if !ok || len(messages) != 1 {
			r.t.Fatalf("row %d: not a batch of one message", r.rows[i].N)
		}
		stamp, _ := messages[0].TimestampMillis()
		value, err := strconv.ParseUint(r.rule(i)[1], 10, 64)
		if err != nil {
			r.t.Fatal(err)
		}
		rules[stamp] = value
		if len(history) > 0 && history[0].Value == value {
			history[0].Since = stamp - 1
		} else {
			if len(history) > 0 && history[0].Value < value { // a fall counts before it happens
				history[0].Since += difficulty.Slack.Milliseconds()
			}
			history = append([]difficulty.Entry{{Since: stamp - 1, Value: value}}, history...)
		}
		if stamp >= before {
			r.t.Fatalf("row %d: messages do not go back in time", r.rows[i].N)
		}
		before = stamp
	}
	history[0].Since = 0
	d.Replace(history)
	for stamp, value := range rules {
		if got := d.At(stamp); got != value {
			r.t.Errorf("at %d the difficulty is %d, and was %d there; history %v", stamp, got, value, history)
		}
	}
}

// parseBatch reads the messages that a recorded node pushed (storage-2.0.md section 8.1).
func parseBatch(b []byte) (messages []store.Message, ok bool) {
	take := func(count uint64) (part []byte) {
		if ok = ok && uint64(len(b)) >= count; ok {
			part, b = b[:count], b[count:]
		}
		return part
	}
	number := func() uint64 {
		part := take(8)
		if !ok {
			return 0
		}
		return binary.LittleEndian.Uint64(part)
	}
	ok = true
	for len(b) > 0 {
		pubKey := string(take(storage.PubkeyTextLength))
		hash := string(take(number()))
		data := string(take(number()))
		ttl, timestamp := number(), number()
		nonce := string(take(number()))
		raw, err := hex.DecodeString(hash)
		if !ok || err != nil || len(raw) != 64 {
			return nil, false
		}
		m := store.NewMessage20(rpc20.StoreParams{
			PubKey: pubKey, Data: data, TTL: strconv.FormatUint(ttl, 10), Timestamp: strconv.FormatUint(timestamp, 10),
			Nonce: nonce,
		})
		m.Hash = [64]byte(raw)
		messages = append(messages, m)
	}
	return messages, len(messages) > 0
}

// pushCounts is the answer to a push.
type pushCounts struct{ Stored, Refused int }
