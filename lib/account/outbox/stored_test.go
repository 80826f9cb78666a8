package outbox

import (
	"errors"
	"testing"

	"sessiontool/keystore"
)

// A word that changes here needs a table in stored.go: older keystores have the old one.
func TestStoredWords(t *testing.T) {
	for got, want := range map[Reason]string{
		ReasonNoStatus: "no_status", ReasonProtocol: "protocol", ReasonOffline: "offline", ReasonStale: "stale",
		ReasonNobodyListens: "nobody_listens", ReasonNotAcknowledged: "not_acknowledged", ReasonWrongAck: "wrong_ack",
		ReasonRefused: "refused", ReasonUnreachable: "unreachable", ReasonNoMethod: "no_method", ReasonBusy: "busy",
		ReasonWrongSwarm: "wrong_swarm", ReasonQueued: "queued",
	} {
		if string(got) != want {
			t.Errorf("%q is stored as %q", want, got)
		}
	}
}

// An entry of a newer version is refused as such, whatever its fields are. One with a broken receipt is corrupt.
func TestRefusedForms(t *testing.T) {
	for value, want := range map[string]error{
		`{"version":2,"kind":[1]}`:            keystore.ErrVersion,
		`{"version":1,"receipt":{"to":"05"}}`: keystore.ErrCorrupt,
	} {
		if _, err := Decode(1, []byte(value)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", value, err, want)
		}
	}
}
