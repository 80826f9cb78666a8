package node

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/rpc"
)

// pair is a node, and another member of its swarm that is not there.
func pair(t testing.TB) (n *Node, other ring.Keys) {
	t.Helper()
	n, other = bareNode(t), ring.KeysFromSeed([32]byte{2})
	v, err := ring.NewView(&rpc.ServiceNodesResult{States: []rpc.NodeState{unreachable(1, 5), unreachable(2, 5)}}, n.keys.Name())
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
	name := appendNames(nil, []store.Name{store.NameOf(m)})
	paths := []string{PushPath, DigestPath, NamesPath, FetchPath, OfferPath}
	for i := range paths {
		f.Add(byte(i), []byte{})
		f.Add(byte(i), name)
		f.Add(byte(i), encode(m, sampleMessage))
		f.Add(byte(i), append(bytesOf(0xff, store.DigestSlots/8), make([]byte, store.NameSize)...))
	}
	f.Fuzz(func(t *testing.T, which byte, body []byte) {
		path := paths[int(which)%len(paths)]
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		sign(r.Header, other, n.keys.Name(), path, time.Now(), body)
		recorder := httptest.NewRecorder()
		n.ServeHTTP(recorder, r)
		switch recorder.Code {
		case 200, 400, 403:
		default:
			t.Errorf("%s answers with status %d: %q", path, recorder.Code, recorder.Body)
		}
		if recorder.Body.Len() > maxFetchAnswer {
			t.Errorf("%s answers with %d bytes", path, recorder.Body.Len())
		}
	})
}

// FuzzPeerHeaders sends headers that strangers make up: nobody gets in without a member's signature.
func FuzzPeerHeaders(f *testing.F) {
	n, other := pair(f)
	header := make(http.Header)
	sign(header, ring.KeysFromSeed([32]byte{9}), n.keys.Name(), DigestPath, time.Now(), nil)
	f.Add(other.Name(), header.Get(timestampHeader), header.Get(digestHeader), header.Get(signatureHeader))
	f.Add("", "", "", "")
	f.Add(other.Name(), "99999999999999999999", "zz", "====")
	f.Fuzz(func(t *testing.T, sender, timestamp, digest, signature string) {
		r := httptest.NewRequest(http.MethodPost, DigestPath, nil)
		r.Header[http.CanonicalHeaderKey(senderHeader)] = []string{sender}
		r.Header[http.CanonicalHeaderKey(timestampHeader)] = []string{timestamp}
		r.Header[http.CanonicalHeaderKey(digestHeader)] = []string{digest}
		r.Header[http.CanonicalHeaderKey(signatureHeader)] = []string{signature}
		recorder := httptest.NewRecorder()
		n.ServeHTTP(recorder, r)
		if recorder.Code != 401 && recorder.Code != 406 {
			t.Errorf("status %d for %q %q %q %q", recorder.Code, sender, timestamp, digest, signature)
		}
	})
}

// FuzzPeerAnswers reads what a member may answer: as names, digests, fetched messages and the result of a push.
func FuzzPeerAnswers(f *testing.F) {
	f.Add(appendNames(nil, []store.Name{store.NameOf(sampleMessage)}))
	f.Add(appendListed(nil, []listed{{store.NameOf(sampleMessage), store.Version{Number: 1, Deleted: true}}}))
	f.Add(append([]byte{0, 0, 0, 1}, encode(sampleMessage)...))
	f.Add(make([]byte, store.DigestSlots*store.DigestSize))
	f.Add([]byte(`{"stored":1,"refused":0}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if names, err := parseNames(body); err == nil && !bytes.Equal(appendNames(nil, names), body) {
			t.Errorf("%x is read as names, but written otherwise", body)
		}
		if sums, err := parseDigests(body); err == nil {
			if _, count := sums.Differing(sums); count != 0 {
				t.Error("digests differ from themselves")
			}
		}
		if list, err := parseListed(body); err == nil && !bytes.Equal(appendListed(nil, list), body) {
			t.Errorf("%x is read as a list, but written otherwise", body)
		}
		if records, taken, err := parseFetched(body, 10); err == nil && (taken < 1 || taken > 10 || len(records) > taken) {
			t.Errorf("%d messages of %d asked for", len(records), taken)
		}
		if counts, err := parsePushAnswer(body); err != nil && counts.Stored != 0 {
			t.Errorf("an answer that cannot be read counts %d", counts.Stored)
		}
	})
}

// FuzzOnionRequest posts anything to the onion endpoints: the answer is a refusal, or sealed for whoever sealed the layer.
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
