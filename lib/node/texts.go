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

// texts are the answers of a node where no method answers. They differ between the storage RPCs.
type texts struct {
	unreadable   [3]string // by reason, with status 400
	stats        answer
	notReady     answer
	manyRequests answer
	longPoll     *answer                      // nil: the request is served, and waits
	badOnion     string                       // begins the answer to a malformed onion request; the cause follows
	elsewhere    func(r *http.Request) answer // another path or HTTP method
}

// textsOf chooses the texts of a node that gives this version as its own. A node that serves both storage RPCs answers
// with those of 2.0.
func textsOf(generation storage.Generation, version [3]int) *texts {
	if generation != storage.Generation28 {
		return &texts20
	}
	chosen := texts28
	chosen.stats.body = fmt.Appendf(nil, `{"version":"%d.%d.%d"}`, version[0], version[1], version[2])
	return &chosen
}

// textBusy is of 2.8 (storage-2.8.md section 12), and so is tooLarge (storage-2.8.md section 6.3): a server of 2.0 has
// no text for the one, and closes the connection at the other.
const textBusy = "Server busy, try again later"

// textQuota is this project's: an owner has as many messages as this node stores without a proof of work.
const textQuota = "Too many messages are stored for this account\n"

var tooLarge = textAnswer(http.StatusRequestEntityTooLarge, "Request body too large")

// texts20 are those of storage server 2.0.7 (storage-2.0.md sections 1, 2 and 9).
var texts20 = texts{
	unreadable: [...]string{
		notJSON: "invalid json: no `method` field\n", noMethod: "invalid json: no `method` field\n",
		noParams: "invalid json: no `params` field\n",
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

// longPollGone is the answer to a request with longPollHeader on a node of 2.8 alone.
var longPollGone = textAnswer(http.StatusGone, "long polling is no longer supported, client upgrade required")

// texts28 are those of storage server 2.8.0 (storage-2.8.md sections 1, 6, 8 and 12).
var texts28 = texts{
	unreadable: [...]string{
		notJSON: "invalid json", noMethod: "invalid json: no `method` field",
		noParams: "invalid json: no `params` field",
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
