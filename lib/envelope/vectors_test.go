package envelope

import (
	"bytes"
	"encoding/base64"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/sessionid"
	"sessiontool/proto/wirepb"
)

// recordedEnvelope is a decoded envelope of the recordings.
type recordedEnvelope struct {
	Type        ciphertext.Kind `json:"type"`
	Source      sessionid.ID    `json:"source"`
	TimestampMS uint64          `json:"timestamp,string"`
	Content     struct {
		Hex vectors.Hex `json:"hex"`
	} `json:"content"`
}

func (r recordedEnvelope) envelope() Envelope {
	return Envelope{Kind: r.Type, Source: r.Source, TimestampMS: r.TimestampMS, Content: r.Content.Hex}
}

// checkBothWays unpacks data and compares it with want. If data has the form that Pack writes, it packs want with the
// request ID of data and compares the result with data.
func checkBothWays(t *testing.T, data string, want Envelope) {
	t.Helper()
	if boxed(want.Kind) {
		want.Source = sessionid.ID{} // what a client wrote there is not believed
	}
	got, err := Unpack(data)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("unpacked %+v (%v), want %+v", got, err, want)
	}
	if !ours(t, data) {
		return
	}
	packed, err := Pack(bytes.NewReader([]byte{requestID(t, data)}), want)
	if err != nil || packed != data {
		t.Errorf("packed %s (%v), want %s", packed, err, data)
	}
}

// ours reports whether data has only parts that Pack writes.
func ours(t *testing.T, data string) bool {
	t.Helper()
	message := decode(t, data)
	var inner wirepb.Envelope
	if err := proto.Unmarshal(message.GetRequest().GetBody(), &inner); err != nil {
		t.Fatal(err)
	}
	request := message.GetRequest()
	return message.GetType() == wirepb.WebSocketMessage_REQUEST && request.GetVerb() == verb &&
		request.GetPath() == path && request.GetId() < 256 && request.Headers == nil &&
		inner.GetSourceDevice() == sourceDevice && inner.Relay == nil && inner.LegacyMessage == nil &&
		inner.ServerGuid == nil && inner.ServerTimestamp == nil && inner.ProSig == nil &&
		!(boxed(ciphertext.Kind(inner.GetType())) && inner.Source != nil)
}

func requestID(t *testing.T, data string) byte {
	t.Helper()
	return byte(decode(t, data).GetRequest().GetId())
}

func decode(t *testing.T, data string) *wirepb.WebSocketMessage {
	t.Helper()
	decoded, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	message := new(wirepb.WebSocketMessage)
	if err := proto.Unmarshal(decoded, message); err != nil {
		t.Fatal(err)
	}
	return message
}

func TestRecordedEnvelopes(t *testing.T) {
	var file struct {
		Envelopes []struct {
			Message vectors.Hex `json:"websocket_message_hex"`
			Data    string      `json:"data_base64"`
			Decoded struct {
				WebSocket struct {
					Request struct {
						ID uint64 `json:"id,string"`
					} `json:"request"`
				} `json:"websocket"`
				Envelope recordedEnvelope `json:"envelope"`
			} `json:"decoded"`
		} `json:"envelopes"`
	}
	vectors.Load(t, "envelope.json", &file)
	for _, recorded := range file.Envelopes {
		want := recorded.Decoded.Envelope.envelope()
		checkBothWays(t, recorded.Data, want)
		if id := decode(t, recorded.Data).GetRequest().GetId(); id != recorded.Decoded.WebSocket.Request.ID {
			t.Errorf("request id %d, want %d", id, recorded.Decoded.WebSocket.Request.ID)
		}
		if ours(t, recorded.Data) && !bytes.Contains(recorded.Message, want.Marshal()) {
			t.Errorf("envelope %x is not in %x", want.Marshal(), []byte(recorded.Message))
		}
	}
}

func TestRecordedFriendRequests(t *testing.T) {
	var file struct {
		Full []struct {
			Data     string           `json:"store_data_base64"`
			Envelope recordedEnvelope `json:"envelope"`
		} `json:"full"`
	}
	vectors.Load(t, "friend_request.json", &file)
	for _, recorded := range file.Full {
		checkBothWays(t, recorded.Data, recorded.Envelope.envelope())
	}
}

func TestRecordedConversations(t *testing.T) {
	var file struct {
		Conversations []struct {
			Steps []struct {
				Sent []struct {
					Data     string           `json:"store_data_base64"`
					Envelope recordedEnvelope `json:"envelope"`
				} `json:"sent"`
			} `json:"steps"`
		} `json:"conversations"`
	}
	vectors.Load(t, "session_lifecycle.json", &file)
	for _, conversation := range file.Conversations {
		for _, step := range conversation.Steps {
			for _, sent := range step.Sent {
				checkBothWays(t, sent.Data, sent.Envelope.envelope())
			}
		}
	}
}

// session.js writes the same envelope without sourceDevice and with request id 0 (session-v1.md section 2.1).
func TestRecordedEnvelopesV1(t *testing.T) {
	var file struct {
		Messages []struct {
			Params struct {
				Data string `json:"data"`
			} `json:"store_params"`
			Envelope struct {
				Type        ciphertext.Kind `json:"type"`
				TimestampMS uint64          `json:"timestamp"`
				Content     vectors.Hex     `json:"content_hex"`
			} `json:"envelope"`
		} `json:"messages"`
	}
	vectors.Load(t, "sessionjs_message.json", &file)
	for _, recorded := range file.Messages {
		want := Envelope{
			Kind:        recorded.Envelope.Type,
			TimestampMS: recorded.Envelope.TimestampMS,
			Content:     recorded.Envelope.Content,
		}
		got, err := Unpack(recorded.Params.Data)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("unpacked %+v (%v), want %+v", got, err, want)
		}
	}
}
