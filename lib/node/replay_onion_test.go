package node

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/onion"
	"sessiontool/lib/x25519"
)

// sealed reports whether row i is a request that only a recorded node can open. Those that no node can open are
// replayed as they are.
func (r *replay) sealed(i int) bool {
	row := r.rows[i]
	return strings.HasPrefix(row.Path, "/onion_req") && row.Status != nil && !r.opened(i) &&
		!strings.HasPrefix(row.Response.Text, onion.TextOuter) &&
		(row.Response.Text != onion.TextCiphertext || r.opened(i+1))
}

// opened reports whether row i is what was inside an onion request.
func (r *replay) opened(i int) bool { return i < len(r.rows) && r.rows[i].Hops != nil }

func (row row) version() onion.Version {
	if strings.Contains(row.Note, "v2") || row.Path == onion.V2.Path() {
		return onion.V2
	}
	return onion.V1
}

// throughOnion replays the request that was inside an onion, along the same nodes.
func (r *replay) throughOnion(i int) {
	r.t.Helper()
	row := r.rows[i]
	r.setDifficulty(row.Opened.Body)
	inner := []byte(row.Inner)
	if r.padded {
		inner = onion.Pad(inner)
	}
	got := r.onion(row.version(), row.Hops, inner)
	r.compare(row, row.Hops[len(row.Hops)-1], false, got.Status, row.Opened.Status, got.Body, row.Opened.Body)
	r.replicated(row.Inner, got.Status)
}

// lostOnTheWay replays an onion request that was not answered by its last node. Which node it was lost at the recording
// says in words alone, so that every node of the path has its turn.
func (r *replay) lostOnTheWay(i int) {
	r.t.Helper()
	row := r.rows[i]
	send := func(what string, hops []onion.Hop) {
		r.t.Helper()
		got := r.do(row.Hops[0], http.MethodPost, row.version().Path(), nil,
			r.wrapFor(row.version(), hops, []byte(row.Inner)).Body)
		if want := r.ours(row.OuterText); got.status != row.OuterStatus || got.body != want {
			r.t.Errorf("row %d, %s, %s: %v, want status %d and %q", row.N, row.Note, what, got, row.OuterStatus, want)
		}
	}
	hops := func() (hops []onion.Hop) {
		for _, at := range row.Hops {
			hops = append(hops, r.hop(at))
		}
		return hops
	}
	unknown, isUnknown := strings.CutPrefix(row.OuterText, onion.TextNextNode)
	switch {
	case isUnknown && r.ours(row.OuterText) != row.OuterText:
		send("a node that is not listed", hops())
	case isUnknown:
		key, _ := ring.ParseKey(unknown)
		for at := 1; at < len(row.Hops); at++ {
			path := hops()
			path[at].Ed25519 = key
			send(fmt.Sprintf("hop %d unknown", at), path)
		}
	case row.OuterText == onion.TextCiphertext:
		for at := range row.Hops {
			path := hops()
			path[at].X25519 = path[(at+1)%len(path)].X25519
			send(fmt.Sprintf("hop %d cannot open its layer", at), path)
		}
	case row.OuterText == onion.TextTimeout:
		if got := r.onion(row.version(), row.Hops, []byte(row.Inner)); strings.Contains(got.Body, "is not a string") {
			r.differ(silent)
			return
		}
		for at := 1; at < len(row.Hops); at++ {
			path := hops()
			r.stop(row.Hops[at])
			send(fmt.Sprintf("hop %d does not run", at), path)
			r.restart(row.Hops[at])
		}
	default:
		r.t.Errorf("row %d, %s: %q is no known answer", row.N, row.Note, row.OuterText)
	}
}

// ours puts the key of our node into a text about a recorded one, which is missing in the list.
func (r *replay) ours(text string) string {
	unknown, ok := strings.CutPrefix(text, onion.TextNextNode)
	if !ok || strings.Trim(unknown, unknown[:1]) == "" { // a key of equal digits is nobody's
		return text
	}
	for i, absent := range r.absent {
		if absent {
			return onion.TextNextNode + r.states[i].PubkeyEd25519
		}
	}
	return text
}

// Layers that onion.Wrap does not make, as notes describe them.
var (
	serverNote = regexp.MustCompile(`^v2 to a server: ([^/]+)(/\S*)$`)
	shortNote  = regexp.MustCompile(`^v2: middle layer opens to (\d+) bytes$`)
)

// craftable reports whether row i is about such a layer, or is what was inside one.
func (r *replay) craftable(i int) bool {
	row := r.rows[i]
	if row.Opened != nil {
		return row.Opened.Body == onion.TextJSON && row.version() == onion.V2
	}
	return serverNote.MatchString(row.Note) || shortNote.MatchString(row.Note)
}

// craft makes such a layer for the node that it was for, or one like it.
func (r *replay) craft(i int) {
	r.t.Helper()
	row := r.rows[i]
	switch server, short := serverNote.FindStringSubmatch(row.Note), shortNote.FindStringSubmatch(row.Note); {
	case server != nil:
		text, err := json.Marshal(map[string]string{"host": server[1], "target": server[2]})
		if err != nil {
			r.t.Fatal(err)
		}
		if *row.Status != 200 {
			r.differ(noWayOut)
		}
		r.wantSealed(row, r.layer(row.Port-r.first, withLength([]byte("{}"), text)), 400, onion.TextURL)
	case short != nil:
		length, err := strconv.Atoi(short[1])
		if err != nil {
			r.t.Fatal(err)
		}
		r.differ(silent)
		r.wantSealed(row, r.layer(row.Port-r.first, make([]byte, length)), 400, onion.TextJSON)
	default: // a layer that does not say what it is
		last := row.Hops[len(row.Hops)-1]
		r.wantSealed(row, r.layer(last, withLength([]byte(row.Inner), []byte("{}"))), row.Opened.Status,
			row.Opened.Body)
	}
}

func (r *replay) wantSealed(row row, got onion.Response, status int, body string) {
	r.t.Helper()
	if got.Status != status || got.Body != body {
		r.t.Errorf("row %d, %s: %v, want status %d and %q", row.N, row.Note, got, status, body)
	}
}

// withLength is how version 2 joins bytes and JSON.
func withLength(data, tail []byte) []byte {
	return append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(data))), data...), tail...)
}

// layer sends node i any plaintext as a layer of version 2 and opens its answer (storage-2.0.md section 7.3).
func (n *testNetwork) layer(i int, plaintext []byte) (response onion.Response) {
	n.t.Helper()
	ephemeral, err := x25519.GenerateKey(rand.Reader)
	if err != nil {
		n.t.Fatal(err)
	}
	secret, err := ephemeral.DH(n.nodes[i].Keys().X25519.Public)
	if err != nil {
		n.t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte("LOKI"))
	mac.Write(secret[:])
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		n.t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		n.t.Fatal(err)
	}
	tail := fmt.Appendf(nil, `{"ephemeral_key":%q}`, hex.EncodeToString(ephemeral.Public[:]))
	got := n.do(i, http.MethodPost, onion.V2.Path(), nil, withLength(aead.Seal(nil, nil, plaintext, nil), tail))
	sealed, err := base64.StdEncoding.DecodeString(got.body)
	if err != nil {
		n.t.Fatalf("%v: %v", got, err)
	}
	opened, err := aead.Open(nil, nil, sealed, nil)
	if err != nil {
		n.t.Fatalf("%v: %v", got, err)
	}
	if err := json.Unmarshal(opened, &response); err != nil {
		n.t.Fatal(err)
	}
	return response
}
