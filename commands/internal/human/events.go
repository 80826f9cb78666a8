package human

import (
	"fmt"
	"strings"
	"time"

	"sessiontool/lib/record"
)

const (
	// nameColumns is the width of the column with names in front of texts.
	nameColumns = 20
	// shortID is how much of a Session ID stands beside a name that anyone can choose.
	shortID = 10
)

// who names a party: by the user's own name, else by the name that it gave itself, in quotes and with its ID.
func who(own, claimed, id string) string {
	short := id
	if len(id) > shortID {
		short = id[:shortID] + "…"
	}
	switch {
	case own != "":
		return Harmless(own)
	case claimed != "":
		return "\"" + cut(Harmless(claimed), nameColumns) + "\" " + Harmless(short)
	}
	return Harmless(short)
}

// line is a line of events: when, who and what. A text of several lines is indented below the first.
func (w *Writer) line(when, who, what string) string {
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(what, "\r\n", "\n"), "\n"), "\n")
	head := w.paint(pad(when, len(timeForm)), dim) + "  " + w.paint(pad(who, nameColumns), bold) + "  "
	var b strings.Builder
	for i, text := range lines {
		if i > 0 {
			head = strings.Repeat(" ", len(timeForm)+2+nameColumns+2)
		}
		b.WriteString(strings.TrimRight(head+Harmless(text), " ") + "\n")
	}
	return b.String()
}

// event shows a record of poll, listen or inbox.
func (w *Writer) event(v any) (string, bool) {
	switch e := v.(type) {
	case record.Message:
		return w.message(e), true
	case record.FriendRequest:
		return w.line(w.clockMS(e.TimestampMS), request(e), "friend request, "+e.State+": "+e.Text), true
	case record.Delivery:
		return w.line(w.clock(e.ReceivedAt), who(e.ContactName, "", e.From),
			fmt.Sprintf("%s receipt for %d of your messages", e.Kind, len(e.TimestampsMS))), true
	case record.Reaction:
		what := "reacts with " + e.Emoji
		if e.Action == "remove" {
			what = "takes back " + e.Emoji
		}
		return w.notice(e.Notice, what+" (message of "+w.clockMS(int64(e.AboutTimestampMS))+")"), true
	case record.SessionReset:
		return w.notice(e.Notice, "has begun a new session"), true
	case record.Typing:
		return w.notice(e.Notice, "has "+e.Action+" typing"), true
	case record.Extraction:
		return w.notice(e.Notice, "took a copy: "+e.Kind), true
	case record.PhoneCall:
		return w.notice(e.Notice, "telephone call: "+e.Kind), true
	case record.TimerChange:
		after := (time.Duration(e.DisappearAfterMS) * time.Millisecond).String()
		return w.notice(e.Notice, "messages disappear after "+after+" (0s: never)"), true
	case record.Unsend:
		return w.notice(e.Notice, "took back the message of "+w.clockMS(int64(e.AboutTimestampMS))), true
	case record.Unknown:
		return w.notice(e.Notice, "a message of a kind that this version does not know"), true
	case record.Gap:
		return w.line(w.clock(e.ReceivedAt), "-", "not polled since "+w.clock(e.Since)+
			": messages may have expired unseen"), true
	case record.Outage:
		what := "no node answers since " + w.clock(e.Since)
		if e.Over {
			what = "nodes answer again; none did since " + w.clock(e.Since)
		}
		return w.line(w.clock(e.At), "-", what), true
	case record.Heartbeat:
		return w.line(w.clock(e.At), "-", fmt.Sprintf("listening; %d received", e.Received)), true
	case record.SetAside:
		return w.line("", who("", "", e.From), fmt.Sprintf("a %s is set aside after %d attempts: see 'inbox --undelivered'",
			e.Kind, e.Attempts)), true
	case record.Unopenable:
		return w.line(w.clock(e.At), "-", fmt.Sprintf("%d messages could not be opened", e.Count)), true
	case record.RequestsDropped:
		return w.line(w.clock(e.At), "-", fmt.Sprintf("%d friend requests of strangers made room for newer ones",
			e.Requests)), true
	case record.Receipt:
		return w.receipt(e), true
	case record.Error:
		return w.Problem(e), true
	case record.Step:
		return w.paint(fmt.Sprintf("%6.1f s", float64(e.Elapsed)/1000), dim) + "  " + w.paint(pad(e.Step, 8), bold) + "  " +
			Harmless(e.Detail) + "\n", true
	}
	return "", false
}

func (w *Writer) message(m record.Message) string {
	name := who(m.ContactName, m.DisplayName, m.From)
	if m.Direction == "out" {
		name = "to " + who(m.ContactName, "", m.To)
	}
	text := m.Text
	if m.Unsent {
		text = "(taken back by its sender)"
	}
	if m.Quote != nil {
		first, _, _ := strings.Cut(m.Quote.Text, "\n")
		text = "> " + cut(Harmless(first), 60) + "\n" + text
	}
	for _, preview := range m.Previews {
		text += "\n[" + preview.URL + "]"
	}
	if m.Attachments > 0 {
		text += fmt.Sprintf("\n(%d files, which are not fetched)", m.Attachments)
	}
	if m.Attempt > 1 {
		text += "\n(shown before, perhaps)"
	}
	return w.line(w.clockMS(m.TimestampMS), name, text)
}

func request(e record.FriendRequest) string {
	if e.Direction == "out" {
		return "to " + who(e.ContactName, "", e.To)
	}
	return who(e.ContactName, e.DisplayName, e.From)
}

func (w *Writer) notice(n record.Notice, what string) string {
	return w.line(w.clockMS(n.TimestampMS), who(n.ContactName, n.DisplayName, n.From), what)
}

func (w *Writer) receipt(r record.Receipt) string {
	how := fmt.Sprintf("stored at %d nodes", r.Stored)
	switch {
	case !r.OK:
		how = w.paint("not sent", red)
	case r.Repeated:
		how = "sent before"
	case r.Route == record.RouteSync:
		how = fmt.Sprintf("delivered in %.0f ms", r.RoundTripMS)
	}
	text := "sent to " + who("", "", r.To) + ": " + how
	for _, warning := range r.Warnings {
		text += w.paint("; "+string(warning), amber)
	}
	return text + "\n"
}
