package store

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"sessiontool/lib/storage/rpc28"
)

// A request is stored once for all its messages, and goes when the last of them has expired.
func TestRequestsAreSharedAndRemoved(t *testing.T) {
	now := time.Now()
	s, err := Open(t.TempDir(), DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	mustInsert(t, s, plain(owner(1), "one", now, time.Hour), plain(owner(1), "two", now, 2*time.Hour))
	held, err := s.InScope(owner(1), rpc28.Scope{}, now.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	request := bytes.Repeat([]byte("x"), 1000)
	if gone, err := s.Edit(held, now.UnixMilli(), request, markGone); err != nil || len(gone) != 2 {
		t.Fatalf("deleted %v, %v", gone, err)
	}
	names := []Name{held[0].Name, held[1].Name}
	body, taken, err := s.Encode(names, 1<<20)
	if err != nil || taken != 2 || bytes.Count(body, request) != 1 {
		t.Errorf("the request is %d times in the records of %d messages (%v)", bytes.Count(body, request), taken, err)
	}
	records, err := DecodeRecords(body)
	if err != nil || len(records) != 2 ||
		!bytes.Equal(records[0].Request, request) || !bytes.Equal(records[1].Request, request) {
		t.Errorf("decoded %v (%v)", records, err)
	}
	for _, test := range []struct {
		after time.Duration
		want  int
	}{{90 * time.Minute, 0}, {3 * time.Hour, 1}} {
		due, err := s.dueRequests(now.Add(test.after).UnixMilli())
		if err != nil || len(due) != test.want {
			t.Errorf("after %v %d requests are due (%v), want %d", test.after, len(due), err, test.want)
		}
	}
	if err := s.sweepRequests(t.Context(), now.Add(3*time.Hour).UnixMilli()); err != nil {
		t.Error(err)
	}
	if due, err := s.dueRequests(now.Add(3 * time.Hour).UnixMilli()); err != nil || len(due) != 0 {
		t.Errorf("left are %d requests (%v)", len(due), err)
	}
}

func markGone(_ Summary, v Version) (Version, bool) {
	v.Deleted = true
	return v, true
}

// Records are refused unless each request comes once, right before the first record that refers to it.
func TestDecodeRefusesRequests(t *testing.T) {
	gone := Record{
		Name: NameOf(someMessage), Version: Version{Number: 1, Expiration: 2, Deleted: true}, Request: []byte("signed"),
	}
	good := AppendRecords(nil, gone, gone)
	if records, err := DecodeRecords(good); err != nil || len(records) != 2 {
		t.Fatalf("decoded %v (%v)", records, err)
	}
	request := good[:1+lengthSize+len("signed")]
	record := good[len(request):][:(len(good)-len(request))/2]
	other := AppendRecords(nil, Record{Name: gone.Name, Version: gone.Version, Request: []byte("z")})
	for name, encoded := range map[string][]byte{
		"twice":                append(bytes.Clone(good), append(bytes.Clone(request), record...)...),
		"without a record":     append(bytes.Clone(good), other[:len(request)-5]...),
		"unknown":              record,
		"empty":                append([]byte{kindRequest, 0, 0, 0, 0}, record...),
		"too large":            append([]byte{kindRequest, 0xff, 0xff, 0xff, 0xff}, record...),
		"cut off":              request[:len(request)-1],
		"cut in the length":    request[:3],
		"cut in a reference":   good[:len(request)+1+VersionSize+5],
		"not referred to":      append(bytes.Clone(request), AppendRecords(nil, stored(someMessage))...),
		"tombstone as message": append([]byte{kindMessage}, record[1:]...),
		"unknown kind":         append([]byte{0x40}, record[1:]...),
	} {
		if _, err := DecodeRecords(encoded); !errors.Is(err, errVersion) {
			t.Errorf("%s: %v, want errVersion", name, err)
		}
	}
}
