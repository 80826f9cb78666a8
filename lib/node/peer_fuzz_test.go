package node

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage/nodelist"
)

// pair is a node, and another member of its swarm that is not there.
func pair(t testing.TB) (n *Node, other ring.Keys) {
	t.Helper()
	n, other = bareNode(t), ring.KeysFromSeed([32]byte{2})
	v, err := ring.NewView(&nodelist.Result{States: []nodelist.State{unreachable(1, 5), unreachable(2, 5)}},
		n.keys.Name())
	if err != nil {
		t.Fatal(err)
	}
	n.members.Set(v)
	return n, other
}

// FuzzPeerRequests sends bodies that a member signed to every service between nodes: the answer is one of few, and of
// bounded size.
func FuzzPeerRequests(f *testing.F) {
	n, other := pair(f)
	key := newUser(f, 5).pubKey()
	m := store.NewMessage20(solved(f, key, "eA==", time.Now(), time.Hour, 1))
	mustInsert(f, n.store, m)
	name := store.NameOf(m)
	paths := []string{replication.PushPath, replication.DigestPath, replication.NamesPath, replication.FetchPath,
		replication.OfferPath}
	for i := range paths {
		f.Add(byte(i), []byte{})
		f.Add(byte(i), name[:])
		f.Add(byte(i), encode(m, sampleMessage))
		f.Add(byte(i), append(bytesOf(0xff, store.DigestSlots/8), make([]byte, store.NameSize)...))
	}
	f.Fuzz(func(t *testing.T, which byte, body []byte) {
		path := paths[int(which)%len(paths)]
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		peerhttp.Sign(r.Header, other, n.keys.Name(), path, time.Now(), body)
		recorder := httptest.NewRecorder()
		n.ServeHTTP(recorder, r)
		switch recorder.Code {
		case 200, 400, 403:
		default:
			t.Errorf("%s answers with status %d: %q", path, recorder.Code, recorder.Body)
		}
		if recorder.Body.Len() > replication.MaxFetchAnswer {
			t.Errorf("%s answers with %d bytes", path, recorder.Body.Len())
		}
	})
}

// FuzzPeerHeaders sends arbitrary headers: no request without a member's signature is accepted.
func FuzzPeerHeaders(f *testing.F) {
	n, other := pair(f)
	header := make(http.Header)
	peerhttp.Sign(header, ring.KeysFromSeed([32]byte{9}), n.keys.Name(), replication.DigestPath, time.Now(), nil)
	f.Add(other.Name(), header.Get(peerhttp.TimestampHeader), header.Get(peerhttp.DigestHeader),
		header.Get(peerhttp.SignatureHeader))
	f.Add("", "", "", "")
	f.Add(other.Name(), "99999999999999999999", "zz", "====")
	f.Fuzz(func(t *testing.T, sender, timestamp, digest, signature string) {
		r := httptest.NewRequest(http.MethodPost, replication.DigestPath, nil)
		r.Header[http.CanonicalHeaderKey(peerhttp.SenderHeader)] = []string{sender}
		r.Header[http.CanonicalHeaderKey(peerhttp.TimestampHeader)] = []string{timestamp}
		r.Header[http.CanonicalHeaderKey(peerhttp.DigestHeader)] = []string{digest}
		r.Header[http.CanonicalHeaderKey(peerhttp.SignatureHeader)] = []string{signature}
		recorder := httptest.NewRecorder()
		n.ServeHTTP(recorder, r)
		if recorder.Code != 401 && recorder.Code != 406 {
			t.Errorf("status %d for %q %q %q %q", recorder.Code, sender, timestamp, digest, signature)
		}
	})
}

// FuzzOnionRequest posts anything to the onion endpoints: the answer is a refusal, or encrypted for the sender of the
// layer.
func FuzzOnionRequest(f *testing.F) {
	n := bareNode(f)
	f.Add(true, "", []byte("\xff\xff\xff\xffxxxxxxxxxxxxxxxx"))
	f.Add(false, "3", []byte(`{"ciphertext":"AAAA","ephemeral_key":"00"}`))
	f.Add(true, "16", []byte{})
	f.Fuzz(func(t *testing.T, second bool, hop string, body []byte) {
		path := "/onion_req"
		if second {
			path = "/onion_req/v2"
		}
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		r.Header[hopHeader] = []string{hop}
		recorder := httptest.NewRecorder()
		n.ServeHTTP(recorder, r)
		if recorder.Code != 400 {
			t.Errorf("status %d for %x", recorder.Code, body)
		}
	})
}
