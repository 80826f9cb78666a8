package ring

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/swarm"
	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// FuzzNodeList reads any list of a seed: it is refused, or its nodes can be reached, have usable keys, and each belongs
// to the swarms that it is listed in.
func FuzzNodeList(f *testing.F) {
	result := nodelist.Result{BlockHash: "ab", Height: 7, States: []nodelist.State{state(0, 100), state(1, 200),
		state(2, swarm.NoSwarm)}}
	text, err := json.Marshal(result)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"service_node_states":[{"pubkey_ed25519":"00"},null,{}]}`))
	self := state(0, 0).PubkeyEd25519
	f.Fuzz(func(t *testing.T, body []byte) {
		var result nodelist.Result
		if json.Unmarshal(body, &result) != nil {
			return
		}
		v, err := NewView(&result, self)
		if err != nil {
			return
		}
		for name, p := range v.Peers {
			key, ok := ParseKey(p.Snode.PubkeyX25519)
			if name != p.Name() || v.Addresses[p.Address()] != p || p.HostPort == "" || !ok ||
				x25519.PublicKey(key).LowOrder() || !xeddsa.UsableKey(p.Ed25519) {
				t.Errorf("%q has the peer %+v", body, p)
			}
		}
		members := 0
		for _, id := range v.IDs {
			members += len(v.Swarms[id])
			for _, p := range v.Swarms[id] {
				if p.Swarm != id || v.Peers[p.Name()] != p {
					t.Errorf("%q has %+v in swarm %d", body, p, id)
				}
			}
		}
		if members > len(v.Peers) || v.Ready() && v.Self == nil {
			t.Errorf("%q has %d members of %d nodes", body, members, len(v.Peers))
		}
		v.Owns("05" + self)
		v.Others()
	})
}

// FuzzNodeFiles starts from any files in the place of a node's key and certificate: both are refused as a damaged
// folder or read.
func FuzzNodeFiles(f *testing.F) {
	dir := f.TempDir()
	if _, err := LoadKeys(dir, bytes.NewReader(make([]byte, 32))); err != nil {
		f.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, keyFile))
	if err != nil {
		f.Fatal(err)
	}
	spec := CertificateSpec{Key: KeyP256}
	certificate, err := makeCertificate(spec, bytes.NewReader(bytes.Repeat([]byte{7}, 1<<12)), time.Unix(1, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key, certificate)
	f.Add([]byte("00"), []byte("-----BEGIN CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, key, certificate []byte) {
		for name, content := range map[string][]byte{keyFile: key, spec.Key.file(): certificate} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		keys, err := LoadKeys(dir, bytes.NewReader(nil))
		if err != nil && !errors.Is(err, ErrFolder) || err == nil && keys.Name() == "" {
			t.Errorf("key %q: %v", key, err)
		}
		loaded, err := LoadCertificate(dir, spec, bytes.NewReader(nil), time.Unix(1, 0))
		if err != nil && !errors.Is(err, ErrFolder) || err == nil && len(loaded.Certificate) == 0 {
			t.Errorf("certificate %q: %v", certificate, err)
		}
	})
}
