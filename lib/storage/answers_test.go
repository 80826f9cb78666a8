package storage_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

func TestParseSwarm(t *testing.T) {
	for _, test := range []struct {
		name, body string
		want       []string // keys
		fails      bool
	}{
		{name: "usual", body: `{"snodes":[{"ip":"1.2.3.4","pubkey_ed25519":"a"},{"pubkey_ed25519":"b"}]}`,
			want: []string{"a", "b"}},
		{name: "empty", body: `{"snodes":[]}`},
		{name: "null", body: `{"snodes":null}`},
		{name: "one is none", body: `{"snodes":[7,{"pubkey_ed25519":"a"},{"pubkey_ed25519":1}]}`, want: []string{"a"}},
		{name: "unknown fields", want: []string{"a"},
			body: `{"snodes":[{"pubkey_ed25519":"a","sn_pubkey":"x"}],"t":1}`},
		{name: "no list", body: `{}`, fails: true},
		{name: "no array", body: `{"snodes":{}}`, fails: true},
		{name: "no object", body: `[]`, fails: true},
		{name: "no JSON", body: `Service node is initializing`, fails: true},
	} {
		snodes, err := storage.ParseSwarm(test.body)
		var keys []string
		for _, snode := range snodes {
			keys = append(keys, snode.PubkeyEd25519)
		}
		if (err != nil) != test.fails || !slices.Equal(keys, test.want) {
			t.Errorf("%s: got %q, %v; want %q", test.name, keys, err, test.want)
		}
	}
}

func TestParseMessages(t *testing.T) {
	for _, test := range []struct {
		name, body string
		want       []string // hashes
		fails      bool
	}{
		{name: "usual", want: []string{"a", "b"},
			body: `{"messages":[{"data":"YQ==","expiration":1,"hash":"a"},{"data":"","expiration":2,"hash":"b"}]}`},
		{name: "empty", body: `{"messages":[]}`},
		{name: "null", body: `{"messages":null}`},
		{name: "no list", body: `{"snodes":[]}`, fails: true},
		{name: "no hash", body: `{"messages":[{"data":"YQ=="}]}`, fails: true},
		{name: "one is none", body: `{"messages":[{"hash":"a"},"b"]}`, fails: true},
		{name: "wrong type", body: `{"messages":[{"hash":"a","data":1}]}`, fails: true},
		{name: "cut", body: `{"messages":[{"hash":"a"}`, fails: true},
	} {
		messages, err := storage.ParseMessages(test.body)
		var hashes []string
		for _, stored := range messages {
			hashes = append(hashes, stored.Hash)
		}
		if (err != nil) != test.fails || !slices.Equal(hashes, test.want) {
			t.Errorf("%s: got %q, %v; want %q", test.name, hashes, err, test.want)
		}
	}
}

// The number of elements that are read of an answer is bounded.
func TestAnswersAreBounded(t *testing.T) {
	many := strings.Repeat(`{"pubkey_ed25519":"a","hash":"a"},`, 2*storage.MaxPage) + `{}`
	if snodes, err := storage.ParseSwarm(`{"snodes":[` + many + `]}`); err != nil || len(snodes) != storage.MaxMembers {
		t.Errorf("took %d members, %v", len(snodes), err)
	}
	messages, err := storage.ParseMessages(`{"messages":[` + many + `]}`)
	if err != nil || len(messages) != storage.MaxPage {
		t.Errorf("took %d messages, %v", len(messages), err)
	}
}

func FuzzParseAnswers(f *testing.F) {
	f.Add(`{"snodes":[{"address":"a.snode","ip":"1.2.3.4","port":"22021","pubkey_ed25519":"a","pubkey_x25519":"b"}]}`)
	f.Add(`{"messages":[{"data":"YQ==","expiration":1,"hash":"a"}]}`)
	f.Add(`{"snodes":null,"messages":[]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if snodes, err := storage.ParseSwarm(body); err == nil {
			again, err := storage.ParseSwarm(marshal(t, rpc20.SwarmAnswer{Snodes: snodes}))
			if err != nil || !slices.Equal(again, snodes) {
				t.Errorf("read %v, then %v, %v", snodes, again, err)
			}
		}
		if page, err := rpc20.ParsePage(body); err == nil {
			again, err := rpc20.ParsePage(marshal(t, page))
			if err != nil || !slices.Equal(again.Messages, page.Messages) || *again.More != *page.More {
				t.Errorf("read %v, then %v, %v", page, again, err)
			}
		}
		if messages, err := storage.ParseMessages(body); err == nil {
			again, err := storage.ParseMessages(marshal(t, rpc20.RetrieveAnswer{Messages: messages}))
			if err != nil || !slices.Equal(again, messages) {
				t.Errorf("read %v, then %v, %v", messages, again, err)
			}
		}
	})
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(fmt.Errorf("what was read cannot be written: %w", err))
	}
	return string(text)
}

// Later servers list members before they know their addresses.
func TestParseSwarmDropsMembersWithoutAddress(t *testing.T) {
	body := `{"snodes":[{"ip":"0.0.0.0","port":"0","pubkey_ed25519":"a"},` +
		`{"ip":"0.0.0.0","port":"22021","pubkey_ed25519":"b"},{"ip":"192.0.2.7","port":"0","pubkey_ed25519":"c"},` +
		`{"ip":"192.0.2.7","port":"22021","pubkey_ed25519":"d"}]}`
	snodes, err := storage.ParseSwarm(body)
	if err != nil || len(snodes) != 1 || snodes[0].PubkeyEd25519 != "d" {
		t.Errorf("members %v, %v; want d alone", snodes, err)
	}
}
