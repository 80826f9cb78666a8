package message

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"sessiontool/lib/internal/fields"
	"sessiontool/proto/wirepb"
)

// Unsend asks to delete the message that its sender sent at TimestampMS. Author is the Session ID of that message's
// sender, and must be the sender of the Unsend.
type Unsend struct {
	TimestampMS uint64
	Author      string
}

// Response accepts the first message of its receiver. Clients send none to decline a message.
type Response struct {
	Approved bool
	// DisplayName is the sender's display name, at most MaxDisplayNameBytes.
	DisplayName string
}

// CallStep is the step of a call. The numbers are those of the wire.
type CallStep int32

// The steps of a call.
const (
	CallOffer             = CallStep(wirepb.CallMessage_OFFER)
	CallAnswer            = CallStep(wirepb.CallMessage_ANSWER)
	CallProvisionalAnswer = CallStep(wirepb.CallMessage_PROVISIONAL_ANSWER)
	CallCandidates        = CallStep(wirepb.CallMessage_ICE_CANDIDATES)
	CallEnd               = CallStep(wirepb.CallMessage_END_CALL)
	CallPreOffer          = CallStep(wirepb.CallMessage_PRE_OFFER)
)

// String returns the step's name.
func (s CallStep) String() string {
	switch s {
	case CallOffer:
		return "offer"
	case CallAnswer:
		return "answer"
	case CallProvisionalAnswer:
		return "provisional_answer"
	case CallCandidates:
		return "ice_candidates"
	case CallEnd:
		return "end_call"
	case CallPreOffer:
		return "pre_offer"
	}
	return fmt.Sprintf("step_%d", int32(s))
}

// Call is one step of a telephone call. ID is the same in all steps of one call.
type Call struct {
	Step CallStep
	ID   string
}

// ExtractionKind is the kind of an Extraction. The numbers are those of the wire.
type ExtractionKind int32

// The kinds of extractions.
const (
	Screenshot = ExtractionKind(wirepb.DataExtractionNotification_SCREENSHOT)
	MediaSaved = ExtractionKind(wirepb.DataExtractionNotification_MEDIA_SAVED)
)

// String returns the kind's name.
func (k ExtractionKind) String() string {
	switch k {
	case Screenshot:
		return "screenshot"
	case MediaSaved:
		return "media_saved"
	}
	return fmt.Sprintf("kind_%d", int32(k))
}

// Extraction reports that its sender took a screenshot at TimestampMS, or saved a file of the message with that
// timestamp.
type Extraction struct {
	Kind        ExtractionKind
	TimestampMS uint64
}

// Unknown is the body of a session-v1 Content without any of the fields that this package reads.
type Unknown struct{}

// Name returns "call".
func (Call) Name() string { return "call" }

// Name returns "data_extraction".
func (Extraction) Name() string { return "data_extraction" }

// Name returns "unknown".
func (Unknown) Name() string { return "unknown" }

// Name returns "unsend".
func (Unsend) Name() string { return "unsend" }

// Name returns "message_request_response".
func (Response) Name() string { return "message_request_response" }

// TextV1 is [Text] for session-v1: it has the timestamp of its envelope inside the encryption.
func TextV1(text, displayName string, timestampMS uint64) Content {
	content := Text(text, displayName, nil)
	content.SigTimestampMS = timestampMS
	return content
}

// Approval returns a Response that accepts the first message of its receiver.
func Approval(displayName string, timestampMS uint64) Content {
	return Content{Body: Response{Approved: true, DisplayName: displayName}, SigTimestampMS: timestampMS}
}

// Fields of the messages, by number.
const (
	fieldUnsendTimestamp = 1
	fieldUnsendAuthor    = 2

	fieldCallStep = 1
	fieldCallID   = 5

	fieldExtractionKind      = 1
	fieldExtractionTimestamp = 2

	fieldApproved        = 1
	fieldResponseProfile = 3
)

func (Call) field() protowire.Number { return fieldCall }

func (c Call) marshal() []byte {
	b := fields.AppendVarint(nil, fieldCallStep, uint64(c.Step))
	return fields.AppendBytes(b, fieldCallID, c.ID)
}

func (Extraction) field() protowire.Number { return fieldExtraction }

func (e Extraction) marshal() []byte {
	b := fields.AppendVarint(nil, fieldExtractionKind, uint64(e.Kind))
	return appendNumber(b, fieldExtractionTimestamp, e.TimestampMS)
}

func (Unknown) field() protowire.Number { return 0 }

func (Unknown) marshal() []byte { return nil }

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

// parseV1Body decodes the bodies that only session-v1 has. It returns nil if there is none.
func parseV1Body(wire *wirepb.Content) Body {
	switch {
	case wire.DataExtractionNotification != nil:
		notice := wire.DataExtractionNotification
		return Extraction{Kind: ExtractionKind(notice.GetType()), TimestampMS: notice.GetTimestamp()}
	case wire.UnsendRequest != nil:
		return Unsend{TimestampMS: wire.UnsendRequest.GetTimestamp(), Author: validText(wire.UnsendRequest.GetAuthor())}
	case wire.MessageRequestResponse != nil:
		response := wire.MessageRequestResponse
		return Response{
			Approved:    response.GetIsApproved(),
			DisplayName: cutName(validText(response.GetProfile().GetDisplayName())),
		}
	}
	return nil
}

// ParseV1 decodes a padded session-v1 Content like libsession (session-v1.md sections 4 and 5). The padding may be
// missing. Fields that libsession does not know are skipped, even malformed ones. If no field remains that this package
// reads, Body is Unknown. The error is ErrMalformed, wrapped with its cause.
func ParseV1(padded []byte) (Content, error) {
	var content Content
	var err error
	for _, candidate := range unpadV1(padded) {
		if content, err = parseV1(candidate); err == nil {
			break
		}
	}
	return content, err
}

func parseV1(b []byte) (Content, error) {
	known, err := keepFields(b, fieldsV1)
	if err != nil {
		return Content{}, err
	}
	content, err := Parse(known)
	if data, ok := content.Body.(Data); ok {
		data.Flags &= knownFlags // libsession looks at none of the others, and shows the text
		content.Body = data
	}
	if errors.Is(err, ErrEmpty) {
		return parseBeside(known)
	}
	return content, err
}

// fieldsV1 are the fields of Content that clients of session-v1 know and this package reads.
var fieldsV1 = []protowire.Number{
	fieldData, fieldCall, fieldReceipt, fieldTyping, fieldExtraction, fieldUnsend, fieldResponse,
	fieldExpirationType, fieldExpirationTimer, fieldSigTimestamp,
}

// keepFields returns the encoded message b with only these fields.
func keepFields(b []byte, numbers []protowire.Number) ([]byte, error) {
	var kept []byte
	for len(b) > 0 {
		number, _, size := protowire.ConsumeField(b)
		if size < 0 {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(size))
		}
		if slices.Contains(numbers, number) {
			kept = append(kept, b[:size]...)
		}
		b = b[size:]
	}
	return kept, nil
}
