package account

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/message"
	"sessiontool/lib/x25519"
"sessiontool/lib/x3dh"
)

type rec struct {
	io.Reader
	d [][]byte
}

func (r *rec) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if len(p) == 32 {
		q := append([]byte{}, p...)
		q[0] &= 248
		q[31] = q[31]&127 | 64
		r.d = append(r.d, q)
	}
	return n, err
}

func TestSynth(t *testing.T) {
	out := os.Getenv("SYNTH")
	if out == "" {
		t.Skip()
	}
	type M = map[string]any
	var convs []M
	for _, sealedS := range []bool{true, false} {
		w := newWorld(t)
		mk := func(name string) *person {
			p := w.person(name)
			p.env.Random = &rec{Reader: w.random}
			p.env.Plain = !sealedS
			return p
		}
		alice, bob := mk("alice"), mk("bob")
		party := func(p *person) M {
			var keys []M
			p.view(t.Context(), func(tx *keystore.Tx) error {
				s, _ := loadSignedPrekeys(tx)
				for _, k := range s {
					keys = append(keys, M{"id": k.ID, "priv": hex.EncodeToString(k.Private), "signature": hex.EncodeToString(k.Signature), "created_at": k.CreatedAt.UnixMilli()})
				}
				return nil
			})
			return M{"identity": M{"priv": hex.EncodeToString(p.keys.X25519.Private[:])}, "signedPreKeys": keys, "registrationId": p.id.RegistrationID}
		}
		var steps []M
		var wire = map[string][]string{}
		step := func(p, other *person, name, received string, events []M, makes ...message.Content) {
			w.pass(time.Second)
			r := p.env.Random.(*rec)
			r.d = nil
			sent := []M{}
			add := func(data string, c message.Content) {
				wire[p.name] = append(wire[p.name], data)
				sent = append(sent, M{"store_data_base64": data, "padded_plaintext": hex.EncodeToString(message.Pad(c.Marshal()))})
			}
			if received != "" {
				p.gets(received)
				for _, a := range p.answers() {
					add(a, message.Background())
				}
			}
			for _, c := range makes {
				d, _ := c.Body.(message.Data)
				switch {
				case c.Bundle != nil && d.Flags == 0:
					data := p.asks(other, d.Text)
					b, _ := p.Bundle(t.Context(), other.ID())
					c.Bundle = &b
					c.Body = message.Data{Text: d.Text, DisplayName: p.name}
					add(data, c)
				case name == "accept":
					add(p.accepts(other), c)
				case d.Text != "" && d.Flags == 0:
					add(p.says(other, d.Text), message.Text(d.Text, p.name, nil))
				default:
					o := Outgoing{To: other.ID()}
					p.update(t.Context(), func(tx *keystore.Tx) error {
						if c.Bundle != nil {
							b, _ := p.bundleFor(tx, other.ID())
							c.Bundle = &b
						}
						return p.sealRatcheted(tx, &o, c)
					})
					add(o.Data, c)
				}
			}
			var draws []string
			for _, d := range r.d {
				draws = append(draws, hex.EncodeToString(d))
			}
			steps = append(steps, M{"step": name, "who": p.name, "events": events, "sent": sent, "random_32_byte_draws_clamped": draws, "received_base64": received})
		}
		take := func(p *person) string { x := wire[p.name][0]; wire[p.name] = wire[p.name][1:]; return x }
		_ = x25519.Size
		b := bob
		var zero x3dh.Bundle
		msg := func(body string, fr bool, flags int, who string) []M {
			return []M{{"event": "message", "friendRequest": fr, "body": body, "flags": flags, "profile": M{"displayName": who}, "timestamp": w.now.UnixMilli()}}
		}
		step(b, alice, "request", "", nil, message.FriendRequest("hello", "bob", nil, zero))
		step(alice, b, "receive", take(b), msg("hello", true, 0, "bob"))
		step(alice, b, "accept", "", nil, message.Background())
		step(b, alice, "receive", take(alice), nil)
		step(alice, b, "receive", take(b), nil)
		step(alice, b, "text", "", nil, message.Text("one", "alice", nil))
		step(b, alice, "receive", take(alice), msg("one", false, 0, "alice"), message.Receipt(message.Delivery, uint64(w.now.UnixMilli())))
		step(alice, b, "receive", take(b), []M{{"event": "delivery"}})
		step(alice, b, "reset", "", nil, message.Reset(zero))
		step(b, alice, "receive", take(alice), []M{{"event": "message", "body": nil, "flags": 1, "profile": nil}}, message.Receipt(message.Delivery, 5))
		step(alice, b, "receive", take(b), nil)
		step(alice, b, "receive", take(b), []M{{"event": "delivery"}})
		step(alice, b, "text", "", nil, message.Text("after", "alice", nil))
		step(b, alice, "receive", take(alice), msg("after", false, 0, "alice"))
		convs = append(convs, M{"sealed_sender": sealedS, "alice": party(alice), "bob": party(bob), "friend_status_after_accept": M{"alice": 4, "bob": 4}, "steps": steps})
	}
	data, _ := json.Marshal(M{"conversations": convs})
	os.WriteFile(out, data, 0o600)
}
