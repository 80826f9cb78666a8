package message

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"

	"sessiontool/lib/internal/fields"
	"sessiontool/proto/wirepb"
)

// Extension has the fields of the synchronous route (sync-route.md section 2). It is in a field of this project, which
// other clients skip. A LokiAddressMessage cannot serve, because with it clients ignore the text.
type Extension struct {
	// Status is the sender's online status at StatusTimestampMS (milliseconds since 1970), or nil. The envelope's
	// timestamp cannot serve: it is not authenticated, and a draft can have any timestamp.
	Status            *Online
	StatusTimestampMS uint64
	// AckKey lets the receiver acknowledge the message. It is nil if the sender does not wait for an acknowledgement.
	AckKey *AckKey
	// Heard is what the sender has received of the receiver, or nil.
	Heard *Heard
}

// Heard is the position in the receiver's own messages up to which the sender has received them. Chain has the first
// bytes of the receiver's ratchet key, and Next the counter after the last message. Reused reports that a message came
// with the key of an earlier one. A receiver that has not sent as much learns that a copy of its keystore is in use.
type Heard struct {
	Chain  [HeardChainSize]byte
	Next   uint32
	Reused bool
}

// HeardChainSize is the length in bytes of Heard.Chain.
const HeardChainSize = 8

// AckKey is the key of the acknowledgement of one message. Only its sender and its receiver have it.
type AckKey [32]byte

// Format prints a placeholder for every verb.
func (AckKey) Format(f fmt.State, _ rune) { io.WriteString(f, "message.AckKey(redacted)") }

// Acknowledgement proves that its sender has decrypted a message.
type Acknowledgement [sha256.Size]byte

// ackLabel separates acknowledgements from other uses of HMAC.
const ackLabel = "acknowledge"

// Acknowledge returns the acknowledgement of a message with this data text (base64): HMAC-SHA256 over the label
// "acknowledge" and the SHA-256 of the data (sync-route.md section 3).
func (k AckKey) Acknowledge(data string) Acknowledgement {
	sum := sha256.Sum256([]byte(data))
	mac := hmac.New(sha256.New, k[:])
	mac.Write([]byte(ackLabel))
	mac.Write(sum[:])
	return Acknowledgement(mac.Sum(nil))
}

// Equal reports in constant time whether claimed is this acknowledgement.
func (a Acknowledgement) Equal(claimed []byte) bool { return hmac.Equal(a[:], claimed) }

// Fields of Extension, by number.
const (
	fieldStatus          = 1
	fieldAckKey          = 2
	fieldStatusTimestamp = 3
	fieldHeardChain      = 4
	fieldHeardNext       = 5
	fieldKeyReused       = 6
)

func (e Extension) marshal() []byte {
	var b []byte
	if e.Status != nil {
		b = fields.AppendBytes(b, fieldStatus, e.Status.marshal())
	}
	if e.AckKey != nil {
		b = fields.AppendBytes(b, fieldAckKey, e.AckKey[:])
	}
	b = appendNumber(b, fieldStatusTimestamp, e.StatusTimestampMS)
	if e.Heard == nil {
		return b
	}
	b = fields.AppendBytes(b, fieldHeardChain, e.Heard.Chain[:])
	b = appendNumber(b, fieldHeardNext, uint64(e.Heard.Next))
	if e.Heard.Reused {
		b = fields.AppendVarint(b, fieldKeyReused, 1)
	}
	return b
}

// parseExtension returns nil if wire is nil.
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
	if wire.HeardChain != nil {
		if len(wire.HeardChain) != HeardChainSize {
			return nil, fmt.Errorf("%w: heard chain of %d bytes", ErrMalformed, len(wire.HeardChain))
		}
		extension.Heard = &Heard{
			Chain: [HeardChainSize]byte(wire.HeardChain), Next: wire.GetHeardNext(), Reused: wire.GetKeyReused(),
		}
	}
	return extension, nil
}
