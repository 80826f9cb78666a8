package render

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/strangers"
	"sessiontool/lib/message"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// samples are two values of each type whose values cannot be arbitrary, or that is not made of fields.
var samples = map[reflect.Type][2]any{
	reflect.TypeFor[time.Time](): {time.Unix(1591344000, 0), time.Unix(1591344001, 0)},
	reflect.TypeFor[sessionid.ID](): {
		sessionid.FromPublicKey(x25519.PublicKey{1}), sessionid.FromPublicKey(x25519.PublicKey{2}),
	},
	reflect.TypeFor[network.Key]():       {network.Key{1}, network.Key{2}},
	reflect.TypeFor[time.Duration]():     {time.Second, time.Minute},
	reflect.TypeFor[error]():             {errors.New("one"), errors.New("two")},
	reflect.TypeFor[map[string]int64]():  {map[string]int64{"one": 1}, map[string]int64{"two": 2}},
	reflect.TypeFor[message.Route]():     {message.RouteSync, message.RouteAsync},
	reflect.TypeFor[account.Reason]():    {outbox.ReasonStale, outbox.ReasonBusy},
	reflect.TypeFor[outbox.Warning]():    {outbox.WarnClock, outbox.WarnUnanswered},
	reflect.TypeFor[inbox.FailureCode](): {inbox.CodeBadEnvelope, inbox.CodeNoSession},
	reflect.TypeFor[account.State]():     {account.StateReceived, account.StateFriends},
}

// sampleTime is the time of a record.
var sampleTime = time.Unix(1591344002, 0)

// sample returns the first or second value of a type; the first is not zero.
func sample(t *testing.T, of reflect.Type, number int) reflect.Value {
	t.Helper()
	if values, ok := samples[of]; ok {
		return reflect.ValueOf(values[number])
	}
	v := reflect.New(of).Elem()
	switch {
	case of.Kind() == reflect.Bool:
		v.SetBool(number == 0)
	case of.Kind() == reflect.String:
		v.SetString([]string{"one", "two"}[number])
	case v.CanInt():
		v.SetInt(int64(1 + number))
	case v.CanUint():
		v.SetUint(uint64(1 + number))
	case v.CanFloat():
		v.SetFloat(float64(1 + number))
	default:
		t.Fatalf("no value of type %s", of)
	}
	return v
}

// fill sets every field to its first sample, and gives lists one element.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch _, known := samples[v.Type()]; {
	case known:
		v.Set(sample(t, v.Type(), 0))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	default:
		v.Set(sample(t, v.Type(), 0))
	}
}

// eachField calls visit for every value in v that has no parts, with its path, such as Nodes.Status.
func eachField(v reflect.Value, path string, visit func(path string, field reflect.Value)) {
	switch _, known := samples[v.Type()]; {
	case !known && v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if path != "" {
				name = path + "." + name
			}
			eachField(v.Field(i), name, visit)
		}
	case v.Kind() == reflect.Pointer && !v.IsNil():
		eachField(v.Elem(), path, visit)
	case v.Kind() == reflect.Slice && v.Len() > 0:
		eachField(v.Index(0), path, visit)
	default:
		visit(path, v)
	}
}

// uncarried returns the fields of a T whose change does not change what convert returns.
func uncarried[T any](t *testing.T, convert func(T) any) (names []string) {
	t.Helper()
	encoded := func(value T) string {
		line, err := json.Marshal(convert(value))
		if err != nil {
			t.Fatal(err)
		}
		return string(line)
	}
	var full T
	fill(t, reflect.ValueOf(&full).Elem())
	want := encoded(full)
	eachField(reflect.ValueOf(&full).Elem(), "", func(path string, field reflect.Value) {
		field.Set(sample(t, field.Type(), 1))
		if encoded(full) == want {
			names = append(names, path)
		}
		field.Set(sample(t, field.Type(), 0))
	})
	return names
}

// unset returns the fields that are zero in the record that convert makes of a T without zero fields.
func unset[T any](t *testing.T, convert func(T) any) (names []string) {
	t.Helper()
	var full T
	fill(t, reflect.ValueOf(&full).Elem())
	eachField(reflect.ValueOf(convert(full)), "", func(path string, field reflect.Value) {
		if field.IsZero() {
			names = append(names, path)
		}
	})
	return names
}

// conversion checks both directions: the record carries every field of a T but those in left, and every field of the
// record is set but those in empty.
func conversion[T any](name string, convert func(T) any, left, empty []string) (string, func(*testing.T)) {
	return name, func(t *testing.T) {
		if got := uncarried(t, convert); !slices.Equal(got, left) {
			t.Errorf("the record does not carry %q, want %q", got, left)
		}
		if got := unset(t, convert); !slices.Equal(got, empty) {
			t.Errorf("the conversion does not set %q, want %q", got, empty)
		}
	}
}

// A field that a conversion forgets is on one of the lists here. The account has no name, so that Account is empty.
func TestRecordsCarryEveryField(t *testing.T) {
	none := new(account.Account)
	t.Run("set aside", func(t *testing.T) {
		empty := unset(t, func(e inbox.Event) any { return setAsideRecord(none, e) })
		if !slices.Equal(empty, []string{"Account", "Kind"}) { // the sample is of no kind
			t.Errorf("the record does not set %q", empty)
		}
	})
	t.Run(conversion("receipt", func(r account.Receipt) any { return Receipt(r) }, nil, []string{"Part", "Parts"}))
	t.Run(conversion("node", func(n network.Node) any { return Node(n) }, nil, []string{"Type", "MetricsURL", "PageURL", "NodeList"}))
	t.Run(conversion("change", func(c mailbox.Change) any { return Change(none, c) }, nil, []string{"Account"}))
	t.Run(conversion("contact", func(c account.Contact) any { return Contact(none, c) }, nil,
		[]string{"Account", "SafetyNumber", "Online"})) // Online: the sample of the status is old
	t.Run(conversion("friend request", func(r account.FriendRequest) any { return FriendRequest(none, r) }, nil,
		[]string{"Account", "Duplicate", "Attempt"}))
	t.Run(conversion("unopenable messages", func(r strangers.Report) any { return unopenableRecord(none, r, sampleTime) },
		[]string{"Requests", "Messages"}, []string{"Account", "Examples.From"})) // the sample's sender is claimed
	t.Run(conversion("dropped requests", func(r strangers.Report) any { return droppedRecord(none, r, sampleTime) },
		[]string{"Unopenable.Code", "Unopenable.Messages", "Examples.Code", "Examples.Hash", "Examples.From",
			"Examples.Claimed"}, []string{"Account"}))
	t.Run(conversion("swarm check", func(c mailbox.SwarmCheck) any { return SwarmCheck(c) },
		[]string{"Members.Node.X25519", "Members.Node.IP", "Members.Node.Port", "Members.Node.SwarmID",
			"Members.Held"}, nil))
}

// Every field of an event is in the record of some kind of event.
func TestRecordsCarryEveryFieldOfEvents(t *testing.T) {
	kinds := wordsOf(t, "account/inbox/event.go", "EventKind")
	got := uncarried(t, func(e inbox.Event) any {
		records := make([]any, len(kinds))
		for i, kind := range kinds {
			e.Kind = inbox.EventKind(kind)
			records[i] = eventRecord(new(account.Account), e, false)
		}
		return records
	})
	want := []string{
		"Seq", "Kind", // set by the inbox; chooses the record
		"Asks",                         // makes a record of its own, see PrintEvent
		"Chain", "Counter", "Overtook", // for the order of messages
		"SetAside", // has a record of its own, too
	}
	if !slices.Equal(got, want) {
		t.Errorf("no record carries %q, want %q", got, want)
	}
	for _, kind := range kinds {
		if inbox.EventKind(kind) == inbox.EventStrangers {
			continue // see TestRecordsCarryEveryField
		}
		empty := unset(t, func(e inbox.Event) any {
			e.Kind, e.Attempt = inbox.EventKind(kind), 2
			return eventRecord(new(account.Account), e, true)
		})
		want := []string{"Account"}
		switch {
		case noticeTypes[inbox.EventKind(kind)] != "":
			want = []string{"Notice.Account"}
		case inbox.EventKind(kind) == inbox.EventFailure: // claimed, and its code is not retryable
			want = []string{"Retryable", "Line", "From", "Ref", "Queued", "OffsetMS", "Candidates"}
		}
		if !slices.Equal(empty, want) {
			t.Errorf("the record of %s does not set %q, want %q", kind, empty, want)
		}
	}
}
