package node

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"sessiontool/lib/node/replication"
	"sessiontool/lib/storage"
	"sessiontool/lib/swarm"
)

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
