package mnemonic_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/mnemonic"
	"sessiontool/lib/sessionid"
)

func TestVectorsSeeds(t *testing.T) {
	type coded struct {
		Language string
		Seed     vectors.Hex `json:"seed_hex"`
		Words    string
		Decoded  vectors.Hex `json:"decoded_hex"`
	}
	var recording struct{ Cases, Languages []coded }
	vectors.Load(t, "mnemonic.json", &recording)
	for _, c := range append(recording.Cases, recording.Languages...) {
		t.Run(c.Language, func(t *testing.T) {
			if c.Language != "" && c.Language != "english" {
				t.Skip("only the English words are supported")
			}
			words, err := mnemonic.EncodeBytes(c.Seed)
			if err != nil || words != c.Words {
				t.Errorf("seed %x: got %q, %v, recorded %q", []byte(c.Seed), words, err, c.Words)
			}
			seed, err := mnemonic.DecodeBytes(c.Words)
			if err != nil || !bytes.Equal(seed, c.Decoded) {
				t.Errorf("%q: got %x, %v, recorded %x", c.Words, seed, err, []byte(c.Decoded))
			}
			if len(c.Seed) != len(sessionid.Seed{}) {
				return
			}
			if words := mnemonic.Encode(sessionid.Seed(c.Seed)); words != c.Words {
				t.Errorf("seed %x: got %q, recorded %q", []byte(c.Seed), words, c.Words)
			}
		})
	}
}

// TestVectorsEdgeCases replays the client's results for wrong and unusual words.
func TestVectorsEdgeCases(t *testing.T) {
	kinds := map[string]error{
		"too few words":         mnemonic.ErrTooFewWords,
		"missing the last word": mnemonic.ErrMissingChecksum,
		"invalid word":          mnemonic.ErrInvalidWord,
		"could not be verified": mnemonic.ErrChecksum,
	}
	var recording struct {
		EdgeCases []struct {
			Words   string
			Error   string
			Decoded vectors.Hex `json:"decoded_hex"`
		} `json:"decode_edge_cases"`
	}
	vectors.Load(t, "mnemonic.json", &recording)
	for _, c := range recording.EdgeCases {
		seed, err := mnemonic.DecodeBytes(c.Words)
		if normal := strings.Join(strings.Fields(c.Words), " "); normal != c.Words {
			// The client splits at every blank, so that a trailing blank is one word too many. Decode accepts it,
			// because pasted text and files often have one.
			want, wantErr := mnemonic.DecodeBytes(normal)
			if !bytes.Equal(seed, want) || (err == nil) != (wantErr == nil) {
				t.Errorf("%q: got %x, %v, without the blanks %x, %v", c.Words, seed, err, want, wantErr)
			}
			continue
		}
		if (err != nil) != (c.Error != "") || !bytes.Equal(seed, c.Decoded) {
			t.Errorf("%q: got %x, %v, recorded %x, %s", c.Words, seed, err, []byte(c.Decoded), c.Error)
		}
		for text, want := range kinds {
			if strings.Contains(c.Error, text) && !errors.Is(err, want) {
				t.Errorf("%q: got %v, recorded %s", c.Words, err, c.Error)
			}
		}
	}
}
