package message

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"sessiontool/lib/internal/fields"
	"sessiontool/proto/wirepb"
)

// Unsend asks to delete a message that its sender sent at TimestampMS. Author is the Session ID of who sent it, which must
// be the asking one's.
type Unsend struct {
	TimestampMS uint64
	Author      string
}

// Response tells that the first message of its receiver was accepted: from now on the two may talk. Nothing is ever sent
// when one was not.
type Response struct {
	Approved bool
	// DisplayName is the sender's name for people, at most MaxDisplayNameBytes.
	DisplayName string
}

// Name returns "unsend".
func (Unsend) Name() string { return "unsend" }

// Name returns "message_request_response".
func (Response) Name() string { return "message_request_response" }

// TodayText is Text as today's clients want it: with the timestamp of its envelope inside the encryption.
func TodayText(text, displayName string, timestampMS uint64) Content {
	content := Text(text, displayName, nil)
	content.SigTimestampMS = timestampMS
	return content
}

// Approval accepts the first message of its receiver.
func Approval(displayName string, timestampMS uint64) Content {
	return Content{Body: Response{Approved: true, DisplayName: displayName}, SigTimestampMS: timestampMS}
}

// Fields of the messages, by number.
const (
	fieldUnsendTimestamp = 1
	fieldUnsendAuthor    = 2

	fieldApproved        = 1
	fieldResponseProfile = 3
)

func (Unsend) field() protowire.Number { return fieldUnsend }

func (u Unsend) marshal() []byte {
	b := fields.AppendVarint(nil, fieldUnsendTimestamp, u.TimestampMS)
	return fields.AppendBytes(b, fieldUnsendAuthor, u.Author)
}

func (Response) field() protowire.Number { return fieldResponse }

func (r Response) marshal() []byte {
	b := fields.AppendVarint(nil, fieldApproved, protowire.EncodeBool(r.Approved))
	if r.DisplayName == "" {
		return b
	}
	return fields.AppendBytes(b, fieldResponseProfile, appendText(nil, fieldDisplayName, r.DisplayName))
}

// parseToday reads what only today's clients say, and returns nil if there is nothing of that.
func parseToday(wire *wirepb.Content) (Body, error) {
	switch {
	case wire.DataExtractionNotification != nil:
		return Extraction, nil
	case wire.UnsendRequest != nil:
		unsend := Unsend{TimestampMS: wire.UnsendRequest.GetTimestamp(), Author: wire.UnsendRequest.GetAuthor()}
		if !utf8.ValidString(unsend.Author) {
			return nil, fmt.Errorf("%w: author is not UTF-8", ErrMalformed)
		}
		return unsend, nil
	case wire.MessageRequestResponse != nil:
		name := wire.MessageRequestResponse.GetProfile().GetDisplayName()
		if !utf8.ValidString(name) {
			return nil, fmt.Errorf("%w: name is not UTF-8", ErrMalformed)
		}
		return Response{Approved: wire.MessageRequestResponse.GetIsApproved(), DisplayName: cutName(name)}, nil
	}
	return nil, nil
}
