package rpc28_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// list returns a JSON list of count elements.
func list(count int, element string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(element+",", count), ",") + "]"
}

// A page has at most storage.MaxPage messages. More says whether the node has others, or has sent others.
func TestParsePage(t *testing.T) {
	const message = `{"hash":"a","data":"YQ==","expiration":5,"timestamp":3}`
	for _, test := range []struct {
		count, want int
		said, more  bool
	}{
		{0, 0, false, false}, {1, 1, false, false}, {1, 1, true, true},
		{storage.MaxPage, storage.MaxPage, false, false}, {storage.MaxPage, storage.MaxPage, true, true},
		{storage.MaxPage + 1, storage.MaxPage, false, true},
	} {
		body := fmt.Sprintf(`{"messages":%s,"more":%v,"t":7,"hf":[1,2]}`, list(test.count, message), test.said)
		page, err := rpc28.ParsePage(body)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Messages) != test.want || page.More != test.more || page.T != 7 || page.HardFork != [2]int{1, 2} {
			t.Errorf("%d messages and more %v: %d, %v, %+v", test.count, test.said, len(page.Messages), page.More, page.Clock)
		}
		stored := storage.Stored{Hash: "a", Data: "YQ==", Expiration: 5, Timestamp: 3}
		if test.want > 0 && page.Messages[test.want-1] != stored {
			t.Errorf("the last message is %+v", page.Messages[test.want-1])
		}
	}
	for _, body := range []string{"", "[]", `{}`, `{"messages":5}`, `{"messages":[{"data":"x"}]}`, `{"messages":[5]}`} {
		if page, err := rpc28.ParsePage(body); err == nil || page.Messages != nil {
			t.Errorf("%s: %+v, %v", body, page, err)
		}
	}
}

// A change has the results of up to storage.MaxMembers members, without those that are malformed.
func TestParseChange(t *testing.T) {
	members := func(count int) string {
		var b strings.Builder
		for i := range count {
			fmt.Fprintf(&b, `"%04x":{"signature":"s"},`, i)
		}
		return `{"hash":"h","swarm":{` + strings.TrimSuffix(b.String(), ",") + `},"t":7}`
	}
	for count, good := range map[int]bool{0: true, 1: true, storage.MaxMembers: true, storage.MaxMembers + 1: false} {
		change, err := rpc28.ParseChange(members(count))
		if (err == nil) != good || good && (len(change.Swarm) != count || change.Hash != "h" || change.T != 7) {
			t.Errorf("%d members: %d, %v", count, len(change.Swarm), err)
		}
	}
	change, err := rpc28.ParseChange(`{"swarm":{"a":{"signature":"s"},"b":5}}`)
	if err != nil || len(change.Swarm) != 1 || change.Swarm["a"].Signature != "s" {
		t.Errorf("a malformed result: %+v, %v", change, err)
	}
	for _, body := range []string{"", "[]", `{}`, `{"swarm":[]}`} {
		if _, err := rpc28.ParseChange(body); err == nil {
			t.Errorf("%s is a change", body)
		}
	}
}

// A batch has at most as many results as requests.
func TestParseBatch(t *testing.T) {
	for count, want := range map[int]int{0: 0, 1: 1, 2: 2, 3: 2} {
		results, err := rpc28.ParseBatch(`{"results":`+list(count, `{"code":200,"body":{"x":1}}`)+`}`, 2)
		if err != nil || len(results) != want {
			t.Errorf("%d results: %v, %v", count, results, err)
		}
		if want > 0 && (results[want-1].Code != 200 || string(results[want-1].Body) != `{"x":1}`) {
			t.Errorf("the last result is %+v", results[want-1])
		}
	}
	for _, body := range []string{"", "[]", `{}`, `{"results":5}`, `{"results":[5]}`} {
		if results, err := rpc28.ParseBatch(body, 2); err == nil || results != nil {
			t.Errorf("%s: %v, %v", body, results, err)
		}
	}
}

// Times are a number or a list, hashes a list or an object of lists.
func TestTimesAndHashes(t *testing.T) {
	for text, want := range map[string][]int64{"5": {5}, "[5]": {5}, "[5,6]": {5, 6}, "[]": {}} {
		var times rpc28.Times
		if err := json.Unmarshal([]byte(text), &times); err != nil || !slices.Equal(times, want) {
			t.Errorf("%s: %v, %v", text, times, err)
		}
	}
	var hashes rpc28.Hashes
	if err := json.Unmarshal([]byte(`["a"]`), &hashes); err != nil || len(hashes.List) != 1 || hashes.ByNamespace != nil {
		t.Errorf("a list: %+v, %v", hashes, err)
	}
	err := json.Unmarshal([]byte(`{"0":["a"],"-21":["b"]}`), &hashes)
	if err != nil || hashes.List != nil || len(hashes.ByNamespace) != 2 || hashes.ByNamespace[-21][0] != "b" {
		t.Errorf("an object: %+v, %v", hashes, err)
	}
	var times rpc28.Times
	if times.UnmarshalJSON(nil) == nil || hashes.UnmarshalJSON(nil) == nil {
		t.Error("nothing is times or hashes")
	}
}
