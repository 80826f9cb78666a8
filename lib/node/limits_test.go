package node

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"sessiontool/lib/node/replication"
	"sessiontool/lib/storage"
	"sessiontool/lib/swarm"
)

func TestAddressLimiter(t *testing.T) {
	l, now := newAddressLimiter(DefaultRateLimit), time.Now()
	count := func(remote string, at time.Time) (passed int) {
		for range 1000 {
			if l.allow(remote, at) {
				passed++
			}
		}
		return passed
	}
	if got := count("192.0.2.1:1000", now); got != 600 {
		t.Errorf("%d of 1000 at once pass, want 600", got)
	}
	if got := count("192.0.2.1:2000", now.Add(time.Second)); got != 300 {
		t.Errorf("%d pass a second later from another port, want 300", got)
	}
	if got := count("192.0.2.2:1000", now); got != 600 {
		t.Errorf("%d from another address pass, want 600", got)
	}
	if got := count("[::ffff:192.0.2.2]:1000", now); got != 0 {
		t.Errorf("%d from the same address written as IPv6 pass, want 0", got)
	}
	if got := count("[2001:db8::1]:1000", now) + count("[2001:db8::2]:1000", now); got != 600 {
		t.Errorf("%d from one IPv6 network pass, want 600", got)
	}
	if l.allow("nonsense", now) {
		t.Error("a client without address passes")
	}
	if got := newAddressLimiter(0); !got.allow("192.0.2.1:1000", now) {
		t.Error("no limit limits")
	}
}

// The table of addresses is bounded. Idle ones make room; if none is idle, new ones are refused.
func TestAddressLimiterIsBounded(t *testing.T) {
	l, now := newAddressLimiter(1), time.Now()
	for i := range maxAddresses {
		if !l.allow(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256), now) {
			t.Fatalf("address %d is refused", i)
		}
	}
	if l.allow("192.0.2.1:1", now) || len(l.buckets) != maxAddresses {
		t.Errorf("an address too many is let in; %d are kept", len(l.buckets))
	}
	if !l.allow("192.0.2.1:1", now.Add(2*time.Second)) || len(l.buckets) != 1 {
		t.Errorf("two seconds later there is no room; %d are kept", len(l.buckets))
	}
}

func TestReadBody(t *testing.T) {
	for _, test := range []struct {
		size     int
		declared int64
		large    bool
		err      error
	}{
		{0, 0, false, nil},
		{100, 100, false, nil},
		{smallBody, smallBody, false, nil},
		{smallBody + 1, smallBody + 1, true, nil},
		{storage.MaxBodyBytes, storage.MaxBodyBytes, true, nil},
		{storage.MaxBodyBytes + 1, storage.MaxBodyBytes + 1, false, errBodyTooLarge},
		{100, -1, false, nil},
		{smallBody, -1, false, nil},
		{smallBody + 1, -1, true, nil},
		{storage.MaxBodyBytes + 1, -1, true, errBodyTooLarge},
	} {
		places := make(slots, 1)
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(make([]byte, test.size)))
		r.ContentLength = test.declared
		body, done, err := places.readBody(httptest.NewRecorder(), r)
		if !errors.Is(err, test.err) || err == nil && len(body) != test.size {
			t.Errorf("%d bytes, declared %d: read %d, %v", test.size, test.declared, len(body), err)
		}
		if large := len(places) == 1; large != test.large {
			t.Errorf("%d bytes, declared %d: takes a place: %v", test.size, test.declared, large)
		}
		done()
		if len(places) != 0 {
			t.Errorf("%d bytes, declared %d: the place is not given back", test.size, test.declared)
		}
	}
}

func TestRateLimitOverHTTP(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, func(_ int, config *Config) {
		config.RateLimit = 1
		at := time.Now()
		config.Now = func() time.Time { return at }
	})
	for range burstSeconds {
		if got := network.post(0, "{}"); got.status != 400 {
			t.Fatalf("within the burst: %v", got)
		}
	}
	if got := network.post(0, "{}"); got.status != 429 || got.contentType != nil || got.body != "too many requests\n" {
		t.Errorf("over the limit: %v", got)
	}
	for _, path := range []string{"/onion_req", "/onion_req/v2", replication.PushPath, "/nothing"} {
		if got := network.do(0, http.MethodPost, path, nil, nil); got.status == 429 {
			t.Errorf("%s is limited", path)
		}
	}
}
