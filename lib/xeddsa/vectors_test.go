package xeddsa

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/x25519"
	"sessiontool/proto/wirepb"
)

// signed is a recorded signature of an identity key over a signed prekey, which is 33 bytes with its prefix.
type signed struct {
	identity  x25519.PublicKey
	private   *x25519.PrivateKey // nil if not recorded
	prekey    []byte
	signature [SignatureSize]byte
}

// TestVectors verifies every recorded signature over a signed prekey, and makes it again.
func TestVectors(t *testing.T) {
	for name, load := range map[string]func(*testing.T) []signed{
		"prekey_bundle.json": fromBundles,
		"x3dh.json":          fromX3DH,
		"ratchet.json":       fromConversations,
	} {
		t.Run(name, func(t *testing.T) {
			recorded := load(t)
			if len(recorded) == 0 {
				vectors.Missing(t, "no signature in the recording")
			}
			for _, s := range recorded {
				if !Verify(s.identity, s.prekey, s.signature) {
					t.Errorf("signature by %v over %x does not verify", s.identity, s.prekey)
				}
				if s.private == nil {
					continue
				}
				if s.private.Public() != s.identity {
					t.Fatalf("recorded keys of %v do not belong together", s.identity)
				}
				if got := signLikeClient(*s.private, s.prekey); got != s.signature {
					t.Errorf("signature by %v over %x: got %x, recorded %x", s.identity, s.prekey, got, s.signature)
				}
			}
		})
	}
}

// signLikeClient makes the client's signatures, which have no randomness.
func signLikeClient(private x25519.PrivateKey, message []byte) [SignatureSize]byte {
	return sign(private, hashToScalar(private[:], message), message)
}

// TestVectorsRefused checks the recorded bundles that the client refused for their signature.
func TestVectorsRefused(t *testing.T) {
	var recording struct {
		Negative []struct {
			Case        string
			Bundle      vectors.Hex `json:"bundle_hex"`
			SignatureOK any         `json:"signature_ok"`
		}
	}
	vectors.Load(t, "prekey_bundle.json", &recording)
	for _, c := range recording.Negative {
		if c.SignatureOK == nil || c.SignatureOK == true {
			continue // refused for something else
		}
		var bundle wirepb.PreKeyBundleMessage
		if err := proto.Unmarshal(c.Bundle, &bundle); err != nil {
			t.Fatalf("%s: %v", c.Case, err)
		}
		identity := vectors.Hex(bundle.GetIdentityKey()).Array32(t)
		if Verify(identity, bundle.GetSignedKey(), signatureOf(t, bundle.GetSignature())) {
			t.Errorf("%s: signature verifies", c.Case)
		}
	}
}

func fromBundles(t *testing.T) (all []signed) {
	var recording struct {
		Bundles []struct {
			Identity struct{ Priv vectors.Hex }
			Fields   struct{ IdentityKey, SignedKey, Signature vectors.Hex }
		}
	}
	vectors.Load(t, "prekey_bundle.json", &recording)
	for _, b := range recording.Bundles {
		all = append(all, newSigned(t, b.Fields.IdentityKey, b.Identity.Priv, b.Fields.SignedKey, b.Fields.Signature))
	}
	return all
}

func fromX3DH(t *testing.T) (all []signed) {
	var recording struct {
		Cases []struct {
			Bob struct {
				Public    vectors.Hex `json:"identity_pub"`
				Private   vectors.Hex `json:"identity_priv"`
				Prekey    vectors.Hex `json:"signed_prekey_pub"`
				Signature vectors.Hex `json:"signed_prekey_signature"`
			}
		}
	}
	vectors.Load(t, "x3dh.json", &recording)
	for _, c := range recording.Cases {
		all = append(all, newSigned(t, c.Bob.Public, c.Bob.Private, c.Bob.Prekey, c.Bob.Signature))
	}
	return all
}

func fromConversations(t *testing.T) (all []signed) {
	var recording struct {
		Conversations []struct {
			Bob struct {
				Public  vectors.Hex `json:"identity_pub"`
				Private vectors.Hex `json:"identity_priv"`
				Prekey  *struct {
					Pub, Signature vectors.Hex
				} `json:"signed_prekey"`
			}
		}
	}
	vectors.Load(t, "ratchet.json", &recording)
	for _, c := range recording.Conversations {
		if c.Bob.Prekey != nil {
			all = append(all, newSigned(t, c.Bob.Public, c.Bob.Private, c.Bob.Prekey.Pub, c.Bob.Prekey.Signature))
		}
	}
	return all
}

func newSigned(t *testing.T, public, private, prekey, signature vectors.Hex) signed {
	s := signed{identity: public.Array32(t), prekey: prekey, signature: signatureOf(t, signature)}
	if len(private) > 0 {
		key := x25519.PrivateKey(private.Array32(t))
		s.private = &key
	}
	return s
}

func signatureOf(t *testing.T, b []byte) [SignatureSize]byte {
	if len(b) != SignatureSize {
		t.Fatalf("recorded signature has %d bytes", len(b))
	}
	return [SignatureSize]byte(b)
}
