package clocks

import (
	"encoding/json"
	"strings"
	"time"

	"sessiontool/lib/storage"
)

// maxTimed is the longest answer in bytes that is searched for the time. Only answers with messages are longer.
const maxTimed = 16 << 10

// timeField is the name of the time in an answer.
const timeField = `"t"`

// AnswerTime returns the time in a node's answer of storage RPC 2.8, zero if there is none.
func AnswerTime(status int, body string) time.Time {
	var timed struct {
		T int64 `json:"t"`
	}
	if status != storage.StatusOK || len(body) > maxTimed || !strings.Contains(body, timeField) || // most have none
		json.Unmarshal([]byte(body), &timed) != nil || timed.T <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(timed.T)
}
