package inbox

import (
	"slices"

	"sessiontool/lib/account/strangers"
)

// refusalReasons are the reasons that package strangers remembers, by number. Add new ones at the end. The first one is
// that of messages that show nothing.
var refusalReasons = []FailureCode{
	"", CodeBadEnvelope, CodeDecryptionFailed, CodeNewerProtocol, CodeUnknownPrekey,
	CodeBadSignature, CodeNoSession, CodeKeyReused,
}

// otherReason is the number of reasons that are not in refusalReasons.
const otherReason = 255

// reasonIgnored is the number of the first of the refusalReasons.
const reasonIgnored = 0

// RefusedBefore completes the event of a message of a stranger that came before, and reports whether it did.
func RefusedBefore(book *strangers.Book, event *Event) (bool, error) {
	reason, found, err := book.Refused(event.ID)
	if err != nil || !found {
		return false, err
	}
	if reason == reasonIgnored {
		event.Kind, event.Text = EventControl, "ignored"
		return true, nil
	}
	event.Kind, event.Code, event.Text = EventFailure, CodeDecryptionFailed, "message was refused before"
	if int(reason) < len(refusalReasons) {
		event.Code = refusalReasons[reason]
	}
	return true, nil
}

// Refuse handles a message that could not be opened and is not a known sender's: it is not kept, and counted if count is
// set.
func Refuse(book *strangers.Book, event Event, count bool) error {
	reason := slices.Index(refusalReasons, event.Code)
	if reason < 0 {
		reason = otherReason
	}
	if err := book.Refuse(event.ID, byte(reason)); err != nil || !count {
		return err
	}
	return book.Count(strangers.Example{
		Code: string(event.Code), Hash: event.Hash, From: event.From, Claimed: event.Claimed,
	})
}

// Ignore makes a message that shows nothing count as refused.
func Ignore(book *strangers.Book, id string) error { return book.Refuse(id, reasonIgnored) }
