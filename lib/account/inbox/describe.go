package inbox

import (
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// Describe fills the event with the content of a message. A copy of a message that another device of the account sent
// has its recipient in the content: an event with To, the account itself, takes it from there.
func (e *Event) Describe(content message.Content) {
	switch body := content.Body.(type) {
	case nil:
		e.Kind, e.Text = EventControl, "bundle"
	case message.Data:
		e.describeData(content, body)
	case message.Receipts:
		e.Kind, e.Text, e.Timestamps = EventDelivery, body.Kind.String(), body.TimestampsMS
	case message.Typing:
		e.Kind, e.Text = EventTyping, "started"
		if body.Stopped {
			e.Text = "stopped"
		}
	case message.Call:
		e.Kind, e.Text, e.CallID = EventCall, body.Step.String(), body.ID
	case message.Extraction:
		e.Kind, e.Text = EventExtraction, body.Kind.String()
		if body.TimestampMS != 0 {
			e.About = &Reference{TimestampMS: body.TimestampMS}
		}
	case message.Unsend:
		e.Kind, e.About = EventUnsend, &Reference{TimestampMS: body.TimestampMS, Author: body.Author}
	case message.Unknown:
		e.Kind = EventUnknown
	default:
		e.Kind, e.Text = EventControl, body.Name()
	}
}

// describeData describes a text or another kind of DataMessage.
func (e *Event) describeData(content message.Content, data message.Data) {
	if target, err := sessionid.Parse(data.SyncTarget); err == nil && !e.To.IsZero() {
		e.To = target
	}
	switch {
	case data.Flags&message.EndSession != 0:
		e.Kind = EventReset
	case data.Flags&message.ExpirationTimerUpdate != 0:
		e.Kind = EventTimer
		e.TakeTimer(content.Timer())
	case data.Flags.Known(), data.Flags != 0 && data.Text == "":
		e.Kind, e.Text = EventControl, data.Flags.String()
	case data.Reaction != nil:
		e.Kind, e.Text, e.Removed = EventReaction, data.Reaction.Emoji, data.Reaction.Remove
		e.About = &Reference{TimestampMS: data.Reaction.TimestampMS, Author: data.Reaction.Author}
	default:
		e.Kind, e.Text, e.Attachments = EventMessage, data.Text, data.Attachments
		e.Group, e.Invitation = data.Group, data.Invitation
		e.TakeTimer(content.Timer())
		if quote := data.Quote; quote != nil {
			about := Reference{TimestampMS: quote.TimestampMS, Author: quote.Author}
			e.Quote = &Quote{Reference: about, Text: quote.Text}
		}
		for _, preview := range data.Previews {
			e.Previews = append(e.Previews, Preview(preview))
		}
	}
}
