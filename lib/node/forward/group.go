package forward

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A group is changes that follow each other, each with its length (big-endian u32) in front. The answer is one result
// for each change in the same order: the status (u16), the length (u32), and the body.
const (
	changeHead = 4
	resultHead = 2 + 4
)

// MaxGroup bounds the changes of a group, whatever their size.
const MaxGroup = 256

// ErrGroup reports a malformed group, or a malformed answer to one.
var ErrGroup = errors.New("group of changes is malformed")

// Result is a member's answer to one change: an HTTP status and a body.
type Result struct {
	Status int
	Body   []byte
}

// appendChange appends a change to a group.
func appendChange(group, change []byte) []byte {
	return append(binary.BigEndian.AppendUint32(group, uint32(len(change))), change...)
}

// Parse returns the changes of a group, at least one and at most MaxGroup. They share its memory.
func Parse(group []byte) (changes [][]byte, err error) {
	for len(group) > 0 {
		if len(group) < changeHead || len(changes) == MaxGroup {
			return nil, ErrGroup
		}
		size := binary.BigEndian.Uint32(group)
		if group = group[changeHead:]; uint64(size) > uint64(len(group)) {
			return nil, ErrGroup
		}
		changes, group = append(changes, group[:size:size]), group[size:]
	}
	if len(changes) == 0 {
		return nil, ErrGroup
	}
	return changes, nil
}

// Append appends the answer to a group.
func Append(answer []byte, results []Result) []byte {
	for _, r := range results {
		answer = binary.BigEndian.AppendUint16(answer, uint16(r.Status))
		answer = binary.BigEndian.AppendUint32(answer, uint32(len(r.Body)))
		answer = append(answer, r.Body...)
	}
	return answer
}

// parseAnswer returns the count results of an answer.
func parseAnswer(answer []byte, count int) ([]Result, error) {
	results := make([]Result, count)
	for i := range results {
		if len(answer) < resultHead {
			return nil, ErrGroup
		}
		results[i].Status = int(binary.BigEndian.Uint16(answer))
		size := binary.BigEndian.Uint32(answer[2:])
		if answer = answer[resultHead:]; uint64(size) > uint64(len(answer)) {
			return nil, ErrGroup
		}
		results[i].Body, answer = answer[:size:size], answer[size:]
	}
	if len(answer) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrGroup, len(answer))
	}
	return results, nil
}
