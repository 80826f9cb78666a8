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
}

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
	return extension, nil
}
