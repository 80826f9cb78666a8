// Package render makes records of what the packages of lib return: identities, contacts, events, receipts, nodes. Every
// such conversion is here: no package of lib knows records.
package render

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/strangers"
	"sessiontool/lib/message"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/swarm"
)

// Identity returns the record of an account.
func Identity(a *account.Account) record.Identity {
	public := a.Ed25519Public()
	return record.Identity{
		Type: record.TypeIdentity, Account: a.Name(), SessionID: a.ID().String(),
		PubkeyEd25519: fmt.Sprintf("%x", public[:]), DisplayName: a.DisplayName(),
	}
}

// Contact returns the record of a contact of the account.
func Contact(a *account.Account, c account.Contact) record.Contact {
	out := record.Contact{
		Type: record.TypeContact, Account: a.Name(), SessionID: c.ID.String(), DisplayName: c.DisplayName,
		State: c.State.String(), HasSession: c.HasSession, Protocol: string(c.Protocol), Since: record.Time(c.Since),
		Verified: c.Verified, Name: c.Name, Blocked: c.Blocked, Declined: c.Declined,
	}
	if c.Status != nil {
		out.Online = c.Status.Node != "" && c.Status.Fresh(time.Now())
		out.ListeningNode, out.StatusAt = c.Status.Node, record.Time(time.UnixMilli(c.Status.ToldMS))
	}
	return out
}

// FriendRequest returns the record of a request in the list of the account.
func FriendRequest(a *account.Account, r account.FriendRequest) record.FriendRequest {
	out := record.FriendRequest{
		Type: record.TypeFriendRequest, ID: r.ID, Account: a.Name(), From: a.ID().String(), To: r.Peer.String(),
		Direction: "out", DisplayName: r.DisplayName, ContactName: r.Name, Text: r.Text, State: r.State.String(),
		TimestampMS: r.TimestampMS,
	}
	if r.Incoming {
		out.From, out.To, out.Direction = out.To, out.From, "in"
		out.ReceivedAt = record.Time(r.At)
	}
	return out
}

// routeWords are the names of routes in records.
var routeWords = map[message.Route]string{message.RouteAsync: record.RouteAsync, message.RouteSync: record.RouteSync}

// failureCodes are the codes of messages that could not be opened.
var failureCodes = map[inbox.FailureCode]record.Code{
	inbox.CodeBadEnvelope:      record.CodeBadEnvelope,
	inbox.CodeDecryptionFailed: record.CodeDecryptionFailed,
	inbox.CodeNewerProtocol:    record.CodeNewerProtocol,
	inbox.CodeUnknownPrekey:    record.CodeUnknownPrekey,
	inbox.CodeBadSignature:     record.CodeBadSignature,
	inbox.CodeNoSession:        record.CodeNoSession,
	inbox.CodeUnknownKey:       record.CodeUnknownKey,
	inbox.CodeKeyReused:        record.CodeKeyReused,
	inbox.CodeKeystoreCopied:   record.CodeKeystoreCopied,
	inbox.CodeDropped:          record.CodeDropped,
}

// reasons are why a message did not take the synchronous route.
var reasons = map[account.Reason]record.Reason{
	outbox.ReasonNoStatus:        record.ReasonNoStatus,
	outbox.ReasonProtocol:        record.ReasonProtocol,
	outbox.ReasonOffline:         record.ReasonOffline,
	outbox.ReasonStale:           record.ReasonStale,
	outbox.ReasonNobodyListens:   record.ReasonNobodyListens,
	outbox.ReasonNotAcknowledged: record.ReasonNotAcknowledged,
	outbox.ReasonWrongAck:        record.ReasonWrongAck,
	outbox.ReasonRefused:         record.ReasonRefused,
	outbox.ReasonUnreachable:     record.ReasonUnreachable,
	outbox.ReasonNoMethod:        record.ReasonNoMethod,
	outbox.ReasonBusy:            record.ReasonBusy,
	outbox.ReasonWrongSwarm:      record.ReasonWrongSwarm,
	outbox.ReasonQueued:          record.ReasonQueued,
}

// noticeTypes are the types of the records of noticeRecord.
var noticeTypes = map[inbox.EventKind]string{
	inbox.EventReset:      record.TypeSessionReset,
	inbox.EventReaction:   record.TypeReaction,
	inbox.EventTyping:     record.TypeTyping,
	inbox.EventExtraction: record.TypeExtraction,
	inbox.EventCall:       record.TypePhoneCall,
	inbox.EventTimer:      record.TypeTimerChange,
	inbox.EventUnsend:     record.TypeUnsend,
	inbox.EventUnknown:    record.TypeUnknown,
}

// Receipt returns the record of what became of a message.
func Receipt(r account.Receipt) record.Receipt {
	out := record.Receipt{
		Type: record.TypeReceipt, OK: r.OK, Route: routeWords[r.Route], Reason: reasons[r.Reason],
		RoundTripMS: r.RoundTripMS, MessageHash: r.MessageHash, TimestampMS: r.TimestampMS, TTLMillis: r.TTLMillis,
		Difficulty: r.Difficulty, Stored: r.Stored, Nodes: make([]record.NodeResult, len(r.Nodes)), Resumed: r.Resumed,
		Repeated: r.Repeated, Ref: r.Ref, ClockOffsetMS: r.ClockOffsetMS,
		Warnings: make([]record.Warning, len(r.Warnings)),
		Protocol: r.Protocol, ForwardSecrecy: forwardSecrecy(r.Protocol, r.ForwardSecrecy),
	}
	if !r.To.IsZero() {
		out.To = r.To.String()
	}
	for i, node := range r.Nodes {
		out.Nodes[i] = record.NodeResult(node)
	}
	for i, warning := range r.Warnings {
		out.Warnings[i] = warnings[warning]
	}
	return out
}

// warnings are what the sender of a message should know.
var warnings = map[outbox.Warning]record.Warning{
	outbox.WarnClock:      record.WarnClock,
	outbox.WarnUnanswered: record.WarnUnanswered,
	outbox.WarnOldRequest: record.WarnOldRequest,
	outbox.WarnLong:       record.WarnLong,
	outbox.WarnOldList:    record.WarnOldList,
	outbox.WarnImported:   record.WarnImported,
}

// Change returns the record of what was done with stored messages of an account.
func Change(a *account.Account, c mailbox.Change) record.Change {
	out := record.Change{
		Type: record.TypeChange, OK: c.OK, Account: a.Name(), Action: c.Action, Requested: c.Requested,
		Changed: append([]string{}, c.Changed...), ExpirationMS: c.ExpirationMS,
		Nodes: make([]record.ChangeResult, len(c.Nodes)),
	}
	for i, node := range c.Nodes {
		out.Nodes[i] = record.ChangeResult(node)
		out.Nodes[i].Changed = append([]string{}, node.Changed...)
	}
	return out
}

// SwarmCheck returns the record of a swarm that was checked.
func SwarmCheck(c mailbox.SwarmCheck) record.SwarmCheck {
	out := record.SwarmCheck{
		Type: record.TypeSwarmCheck, SessionID: c.SessionID.String(), SwarmID: c.SwarmID.String(), Agree: c.Agree,
		Members: make([]record.MemberCheck, len(c.Members)),
	}
	for i, m := range c.Members {
		out.Members[i] = record.MemberCheck{
			PubkeyEd25519: m.Node.Ed25519.String(), Address: m.Node.Address, Reachable: m.Reachable(),
			Version:   m.Version,
			LatencyMS: float64(m.Latency.Microseconds()) / 1000, Messages: m.Messages,
			Missing: append([]string{}, m.Missing...),
		}
		if m.Err != nil {
			out.Members[i].Error = m.Err.Error()
		}
	}
	return out
}

// Arrivals returns the types of the records that PrintEvent prints, and these beside them.
func Arrivals(more ...string) []string {
	return append([]string{
		record.TypeMessage, record.TypeFriendRequest, record.TypeDelivery, record.TypeSessionReset, record.TypeReaction,
		record.TypeTyping, record.TypeExtraction, record.TypePhoneCall, record.TypeTimerChange, record.TypeUnsend,
		record.TypeUnknown, record.TypeGap,
	}, more...)
}

// reportRecords returns the records of what was not kept of strangers.
func reportRecords(a *account.Account, report *strangers.Report, at time.Time) (records []any) {
	if report == nil {
		return nil
	}
	if len(report.Unopenable) > 0 {
		records = append(records, unopenableRecord(a, *report, at))
	}
	if report.Requests > 0 || report.Messages > 0 {
		records = append(records, droppedRecord(a, *report, at))
	}
	return records
}

func unopenableRecord(a *account.Account, report strangers.Report, at time.Time) record.Unopenable {
	out := record.Unopenable{
		Type: record.TypeUnopenable, Account: a.Name(), Codes: []record.UnopenableCode{},
		Examples: []record.UnopenableExample{}, Since: record.Time(report.Since), At: record.Time(at),
	}
	for _, count := range report.Unopenable {
		out.Count += count.Messages
		out.Codes = append(out.Codes, record.UnopenableCode{
			Code: cmp.Or(string(failureCodes[inbox.FailureCode(count.Code)]), count.Code), Count: count.Messages,
		})
	}
	for _, one := range report.Examples {
		example := record.UnopenableExample{
			Code: cmp.Or(string(failureCodes[inbox.FailureCode(one.Code)]), one.Code), MessageHash: one.Hash,
		}
		switch {
		case one.From.IsZero():
		case one.Claimed:
			example.ClaimedFrom = one.From.String()
		default:
			example.From = one.From.String()
		}
		out.Examples = append(out.Examples, example)
	}
	return out
}

func droppedRecord(a *account.Account, report strangers.Report, at time.Time) record.RequestsDropped {
	return record.RequestsDropped{
		Type: record.TypeDropped, Account: a.Name(), Requests: report.Requests, Messages: report.Messages,
		Limit: strangers.MaxWaiting, Since: record.Time(report.Since), At: record.Time(at),
	}
}

// EventRecord is a record of an event with its type.
type EventRecord struct {
	Kind   string
	Record any
}

// EventRecords returns the records of an event that is not set aside. Before the first message of a stranger there is a
// friend_request record with the same id.
func EventRecords(a *account.Account, e inbox.Event) (records []EventRecord) {
	if e.Asks {
		request := e
		request.State = account.StateReceived
		records = append(records, EventRecord{record.TypeFriendRequest, eventRequestRecord(a, request, false)})
	}
	return append(records, EventRecord{typeOf(e), eventRecord(a, e, false)})
}

// PrintEvent prints the record of an event. Before the first message of a stranger it prints a friend_request record
// with the same id. Of an event that is set aside it prints that instead. What was not kept of strangers is up to two
// records.
func PrintEvent(app *cli.App, a *account.Account, e inbox.Event, duplicate bool) error {
	if e.SetAside {
		return app.Print(setAsideRecord(a, e))
	}
	if e.Asks {
		request := e
		request.State = account.StateReceived
		if err := app.Print(eventRequestRecord(a, request, duplicate)); err != nil {
			return err
		}
	}
	printed := eventRecord(a, e, duplicate)
	several, ok := printed.([]any)
	if !ok {
		return app.Print(printed)
	}
	for _, one := range several {
		if err := app.Print(one); err != nil {
			return err
		}
	}
	return nil
}

// eventRecord returns the record of an event, or a list of records for EventStrangers.
func eventRecord(a *account.Account, e inbox.Event, duplicate bool) any {
	from := ""
	if !e.From.IsZero() {
		from = e.From.String()
	}
	to, direction := a.ID().String(), "in"
	if !e.To.IsZero() {
		to, direction = e.To.String(), "out"
	}
	received := record.Time(e.ReceivedAt)
	switch e.Kind {
	case inbox.EventStrangers:
		return reportRecords(a, e.Report, e.ReceivedAt)
	case inbox.EventMessage:
		out := record.Message{
			Type: record.TypeMessage, ID: e.ID, Account: a.Name(), From: from, To: to, Direction: direction,
			DisplayName: e.DisplayName, ContactName: e.Name, Text: e.Text, Previews: previews(e),
			TimestampMS: e.TimestampMS, ReceivedAt: received, Route: routeWords[e.Route], MessageHash: e.Hash,
			Attachments: e.Attachments, Notice: notice(e), Unsent: e.Unsent, Duplicate: duplicate, Attempt: attempt(e),
			Protocol: e.Protocol, ForwardSecrecy: forwardSecrecy(e.Protocol, e.ForwardSecrecy),
		}
		if e.TimerSeconds > 0 {
			out.DisappearAfterMS, out.DisappearFrom = int64(e.TimerSeconds)*1000, record.FromRead
			if e.TimerFromSending {
				out.DisappearFrom = record.FromSent
			}
		}
		if e.Quote != nil {
			out.Quote = &record.Quote{TimestampMS: e.Quote.TimestampMS, Author: e.Quote.Author, Text: e.Quote.Text}
		}
		return out
	case inbox.EventFriendRequest:
		return eventRequestRecord(a, e, duplicate)
	case inbox.EventGap:
		return record.Gap{
			Type: record.TypeGap, ID: e.ID, Account: a.Name(), Since: record.Time(time.UnixMilli(e.TimestampMS)),
			ReceivedAt: received, Attempt: attempt(e),
		}
	case inbox.EventDelivery:
		return record.Delivery{
			Type: record.TypeDelivery, ID: e.ID, Account: a.Name(), From: from, ContactName: e.Name, Kind: e.Text,
			TimestampsMS: append([]uint64{}, e.Timestamps...), ReceivedAt: received, Duplicate: duplicate,
			Attempt: attempt(e),
		}
	case inbox.EventFailure:
		problem := record.NewError(failureCodes[e.Code], cli.FirstLine(e.Text))
		problem.MessageHash, problem.Attempt = e.Hash, attempt(e)
		if !e.To.IsZero() {
			problem.To = to
		}
		if e.Claimed {
			problem.ClaimedFrom = from
		} else {
			problem.From = from
		}
		return problem
	}
	if out := noticeRecord(e, record.Notice{
		Type: noticeTypes[e.Kind], ID: e.ID, Account: a.Name(), From: from, To: to, Direction: direction,
		DisplayName: e.DisplayName, ContactName: e.Name,
		TimestampMS: e.TimestampMS, ReceivedAt: received, Route: routeWords[e.Route], MessageHash: e.Hash,
		Duplicate: duplicate, Attempt: attempt(e),
	}); out != nil {
		return out
	}
	return record.Control{
		Type: record.TypeControl, Account: a.Name(), From: from, Kind: e.Text, TimestampMS: e.TimestampMS,
		MessageHash: e.Hash, Duplicate: duplicate,
	}
}

// attempt returns the field of the record of an event: 0 for its first delivery, which is no repeat.
func attempt(e inbox.Event) int {
	if e.Attempt < 2 {
		return 0
	}
	return e.Attempt
}

// setAsideRecord returns the record of an event that is set aside.
func setAsideRecord(a *account.Account, e inbox.Event) record.SetAside {
	out := record.SetAside{
		Type: record.TypeSetAside, ID: e.ID, Account: a.Name(), Kind: typeOf(e), Attempts: e.Attempt,
	}
	if !e.From.IsZero() {
		out.From = e.From.String()
	}
	return out
}

// typeOf returns the type of the record of an event.
func typeOf(e inbox.Event) string {
	switch e.Kind {
	case inbox.EventFailure:
		return record.TypeError
	case inbox.EventMessage, inbox.EventFriendRequest, inbox.EventDelivery, inbox.EventGap:
		return string(e.Kind) // the same words
	}
	return noticeTypes[e.Kind]
}

// Skip returns a function that accepts the events of which no record is printed, or nil if all are.
func Skip(types *cli.Types) func(inbox.Waiting) bool {
	if types == nil {
		return nil
	}
	return func(w inbox.Waiting) bool {
		shown := types.Shows(typeOf(inbox.Event{Kind: w.Kind}))
		return !shown && !(w.Asks && types.Shows(record.TypeFriendRequest))
	}
}

// PrintTruncated returns a function that prints the record of a member whose list was not read to its end.
func PrintTruncated(app *cli.App, a *account.Account) func(mailbox.Truncated) error {
	return func(t mailbox.Truncated) error {
		return app.PrintPartial(record.Truncated{
			Type: record.TypeTruncated, Account: a.Name(), PubkeyEd25519: t.Node.Ed25519.String(), Messages: t.Messages,
		})
	}
}

// noticeRecord returns the record of an event that is no text, and nil for one that has nothing to show. Common is what
// all of them have.
func noticeRecord(e inbox.Event, common record.Notice) any {
	about := inbox.Reference{}
	if e.About != nil {
		about = *e.About
	}
	switch e.Kind {
	case inbox.EventReset:
		return record.SessionReset{Notice: common}
	case inbox.EventReaction:
		action := "react"
		if e.Removed {
			action = "remove"
		}
		return record.Reaction{
			Notice: common, Emoji: e.Text, Action: action, AboutTimestampMS: about.TimestampMS,
			AboutAuthor: about.Author,
		}
	case inbox.EventTyping:
		return record.Typing{Notice: common, Action: e.Text}
	case inbox.EventExtraction:
		return record.Extraction{Notice: common, Kind: e.Text, AboutTimestampMS: about.TimestampMS}
	case inbox.EventCall:
		return record.PhoneCall{Notice: common, Kind: e.Text, CallID: e.CallID}
	case inbox.EventTimer:
		out := record.TimerChange{Notice: common, DisappearAfterMS: int64(e.TimerSeconds) * 1000,
			DisappearFrom: record.FromRead}
		if e.TimerFromSending {
			out.DisappearFrom = record.FromSent
		}
		return out
	case inbox.EventUnsend:
		return record.Unsend{Notice: common, AboutTimestampMS: about.TimestampMS, AboutAuthor: about.Author}
	case inbox.EventUnknown:
		return record.Unknown{Notice: common}
	}
	return nil
}

// previews lists what came with the links of a text.
func previews(e inbox.Event) []record.Preview {
	out := make([]record.Preview, len(e.Previews))
	for i, preview := range e.Previews {
		out[i] = record.Preview(preview)
	}
	return out
}

// notice describes what came with a message and is not here, or was asked for and is not done.
func notice(e inbox.Event) string {
	var parts []string
	switch e.Attachments {
	case 0:
	case 1:
		parts = append(parts, "a file came with this message; sessiontool does not fetch files")
	default:
		const files = "%d files came with this message; sessiontool does not fetch files"
		parts = append(parts, fmt.Sprintf(files, e.Attachments))
	}
	if e.Group {
		parts = append(parts, "this message is about a group; sessiontool takes part in none")
	}
	if e.Invitation {
		parts = append(parts, "an invitation to a community came with this message; sessiontool joins none")
	}
	if e.TimerSeconds > 0 {
		parts = append(parts, "the sender wants this message to disappear; sessiontool keeps it")
	}
	if e.Unsent {
		parts = append(parts, "the sender has taken this message back")
	}
	return strings.Join(parts, "; ")
}

// eventRequestRecord returns the record of a request that arrived, or of a sent request that was accepted. From is the
// account that accepted it then.
func eventRequestRecord(a *account.Account, e inbox.Event, duplicate bool) record.FriendRequest {
	out := record.FriendRequest{
		Type: record.TypeFriendRequest, ID: e.ID, Account: a.Name(), From: e.From.String(), To: a.ID().String(),
		Direction: "in", DisplayName: e.DisplayName, ContactName: e.Name, Text: e.Text, State: e.State.String(), TimestampMS: e.TimestampMS,
		ReceivedAt: record.Time(e.ReceivedAt), Duplicate: duplicate, Attempt: attempt(e),
	}
	if e.Outgoing {
		out.Direction = "out"
	}
	return out
}

// Node returns the record of a node.
func Node(n network.Node) record.Node {
	out := record.Node{
		Address: n.Address, IP: n.IP, Port: int(n.Port), PubkeyEd25519: n.Ed25519.String(),
		PubkeyX25519: n.X25519.String(),
	}
	if n.SwarmID != swarm.NoSwarm {
		out.SwarmID = n.SwarmID.String()
	}
	return out
}

// Nodes returns the records of nodes.
func Nodes(nodes []network.Node) []record.Node {
	out := make([]record.Node, len(nodes))
	for i, n := range nodes {
		out[i] = Node(n)
	}
	return out
}

// ListMark returns the field node_list of a record about nodes: empty if the seeds have listed them lately.
func ListMark(client *network.Client) string {
	switch list := client.List(); {
	case list.Source == network.ListImport:
		return record.ListImport
	case list.Old:
		return record.ListOld
	}
	return ""
}
