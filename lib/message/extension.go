package message

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"

	"sessiontool/lib/internal/fields"
	"sessiontool/proto/wirepb"
)

// Extension is what the synchronous route needs beside Body (sync-route.md section 2). It travels in a field of our own,
// which other clients skip: next to a LokiAddressMessage they would ignore the text.
type Extension struct {
	// Status is the sender's online status at StatusTimestampMS (milliseconds since 1970), or nil. An envelope's
	// timestamp would not do: nothing vouches for it, and drafts choose any.
	Status            *Online
	StatusTimestampMS uint64
	// AckKey lets the receiver acknowledge the message; nil if nobody waits for that.
	AckKey *AckKey
}

// AckKey is the key with which one message is acknowledged. Only who can open the message has it.
type AckKey [32]byte

// Format hides the key, whatever the verb is.
func (AckKey) Format(f fmt.State, _ rune) { io.WriteString(f, "message.AckKey(redacted)") }

// Acknowledgement proves that somebody has opened a message.
type Acknowledgement [sha256.Size]byte

// ackLabel stands in front of what an acknowledgement covers.
const ackLabel = "acknowledge"

// Acknowledge makes the acknowledgement of a message from its store data (base64): HMAC-SHA256 over the label
// "acknowledge" and the SHA-256 of the data (sync-route.md section 3).
func (k AckKey) Acknowledge(data string) Acknowledgement {
	sum := sha256.Sum256([]byte(data))
	mac := hmac.New(sha256.New, k[:])
	mac.Write([]byte(ackLabel))
	mac.Write(sum[:])
	return Acknowledgement(mac.Sum(nil))
}

// Equal compares in constant time with what somebody claims to be this acknowledgement.
func (a Acknowledgement) Equal(claimed []byte) bool { return hmac.Equal(a[:], claimed) }

// Fields of Extension, by number.
const (
	fieldStatus          = 1
	fieldAckKey          = 2
	fieldStatusTimestamp = 3
)

func (e Extension) marshal() []byte {
	var b []byte
	if e.Status != nil {
		b = fields.AppendBytes(b, fieldStatus, e.Status.marshal())
	}
	if e.AckKey != nil {
		b = fields.AppendBytes(b, fieldAckKey, e.AckKey[:])
	}
	return appendNumber(b, fieldStatusTimestamp, e.StatusTimestampMS)
}

// parseExtension returns nil for no extension.
func parseExtension(wire *wirepb.Extension) (*Extension, error) {
	if wire == nil {
		return nil, nil
	}
	extension := &Extension{StatusTimestampMS: wire.GetStatusTimestamp()}
	if wire.Status != nil {
		status := parseOnline(wire.Status)
		extension.Status = &status
	}
	if wire.AckKey != nil {
		if len(wire.AckKey) != len(AckKey{}) {
			return nil, fmt.Errorf("%w: acknowledgement key of %d bytes", ErrMalformed, len(wire.AckKey))
		}
		extension.AckKey = (*AckKey)(wire.AckKey)
	}
	return extension, nil
}
