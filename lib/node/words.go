package node

import (
	"fmt"
	"net/http"
	"strings"

	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
)

// unreadable is why a request has no method and parameters.
type unreadable int

const (
	notJSON unreadable = iota
	noMethod
	noParams
)

func (u unreadable) Error() string {
	return [...]string{"request is not JSON", "request names no method", "request has no parameters"}[u]
}

// words are what a node says where no method answers. They differ between the generations.
type words struct {
	unreadable   [3]string // by reason, with status 400
	stats        answer
	notReady     answer
	manyRequests answer
	longPoll     *answer                      // nil: the request is served, and waits
	badOnion     string                       // what the cause follows if a posted onion request has not the shape of one
	elsewhere    func(r *http.Request) answer // another path or HTTP method
}

// wordsOf chooses the words of a node that says to be of a version. A node that serves both generations speaks as in
// 2020.
func wordsOf(generation storage.Generation, version [3]int) *words {
	if generation != storage.Generation28 {
		return &wordsOf2020
	}
	chosen := wordsOfToday
	chosen.stats.body = fmt.Appendf(nil, `{"version":"%d.%d.%d"}`, version[0], version[1], version[2])
	return &chosen
}

// textBusy is today's (storage-2.8.md section 12), and so is tooLarge (storage-2.8.md section 6.3): a 2020 server has
// no words for the one, and hangs up at the other.
const textBusy = "Server busy, try again later"

var tooLarge = textAnswer(http.StatusRequestEntityTooLarge, "Request body too large")

// wordsOf2020 are those of storage server 2.0.7 (storage-2.0.md sections 1, 2 and 9).
var wordsOf2020 = words{
	unreadable: [...]string{
		notJSON: "invalid json: no `method` field\n", noMethod: "invalid json: no `method` field\n", noParams: "invalid json: no `params` field\n",
	},
	stats:        bareAnswer(storage.StatusOK, "{\n    \"version\": \"2.0.7\"\n}"),
	notReady:     bareAnswer(storage.StatusNotReady, "Service node is not ready: not in any swarm; \n"),
	manyRequests: bareAnswer(storage.StatusTooManyRequests, "too many requests\n"),
	badOnion:     onion.TextOuter,
	elsewhere: func(r *http.Request) answer {
		switch r.Method {
		case http.MethodGet, http.MethodPost:
			return bareAnswer(http.StatusNotFound, "unknown target for "+r.Method+": "+r.RequestURI)
		}
		return bareAnswer(storage.StatusBadRequest, "")
	},
}

// longPollGone is the answer to a request with longPollHeader on a node of today.
var longPollGone = textAnswer(http.StatusGone, "long polling is no longer supported, client upgrade required")

// wordsOfToday are those of storage server 2.8.0 (storage-2.8.md sections 1, 6, 8 and 12).
var wordsOfToday = words{
	unreadable: [...]string{
		notJSON: "invalid json", noMethod: "invalid json: no `method` field", noParams: "invalid json: no `params` field",
	},
	stats:        answer{storage.StatusOK, typeJSON, nil}, // with the version in it
	notReady:     textAnswer(storage.StatusNotReady, "Service node is not ready: not in any swarm\n"),
	manyRequests: textAnswer(storage.StatusTooManyRequests, "Too Many Requests\n"),
	longPoll:     &longPollGone,
	badOnion:     "Error parsing onion request: ",
	elsewhere: func(r *http.Request) answer {
		return textAnswer(http.StatusNotFound, strings.ToLower(r.Method)+" "+r.URL.EscapedPath()+" Not Found")
	},
}
