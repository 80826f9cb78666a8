package rpc28

import (
	"encoding/json"
	"fmt"

	"sessiontool/lib/storage"
)

// ParsePage reads a [PageAnswer]: its first [storage.MaxPage] messages. More is also set if the answer has further ones. Like
// [storage.ParsePage] it fails for a malformed message.
func ParsePage(body string) (PageAnswer, error) {
	var beside struct {
		More bool `json:"more"`
		Clock
	}
	messages, beyond, err := storage.ParsePage(body, storage.MaxPage, &beside)
	if err != nil {
		return PageAnswer{}, err
	}
	return PageAnswer{Messages: messages, More: beside.More || beyond, Clock: beside.Clock}, nil
}

// HasResults reports whether an answer with this status may have a [ChangeAnswer] as its body: 200, or 500, which
// servers after 2.8.0 send if every member failed.
func HasResults(status int) bool { return status == storage.StatusOK || status == storage.StatusFailed }

// ParseChange reads a [ChangeAnswer]. It skips members with a malformed result, and fails for more than
// [storage.MaxMembers] members.
func ParseChange(body string) (ChangeAnswer, error) {
	var answer struct {
		Hash  string                     `json:"hash"`
		Swarm map[string]json.RawMessage `json:"swarm"`
		Clock
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return ChangeAnswer{}, fmt.Errorf("answer has no results of members: %w", err)
	}
	if answer.Swarm == nil || len(answer.Swarm) > storage.MaxMembers {
		return ChangeAnswer{}, fmt.Errorf("answer has results of %d members", len(answer.Swarm))
	}
	members := make(map[string]MemberResult, len(answer.Swarm))
	for name, text := range answer.Swarm {
		var result MemberResult
		if json.Unmarshal(text, &result) == nil {
			members[name] = result
		}
	}
	return ChangeAnswer{Hash: answer.Hash, Swarm: members, Clock: answer.Clock}, nil
}

// ParseBatch reads a [BatchAnswer] to a batch or sequence of count requests. A sequence may have fewer results.
func ParseBatch(body string, count int) ([]Result, error) {
	var answer struct {
		Results json.RawMessage `json:"results"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("answer is not a list of results: %w", err)
	}
	elements, err := storage.Elements(answer.Results, count)
	if err != nil {
		return nil, fmt.Errorf("answer is not a list of results: %w", err)
	}
	results := make([]Result, len(elements))
	for i, element := range elements {
		if err := json.Unmarshal(element, &results[i]); err != nil {
			return nil, fmt.Errorf("answer is not a list of results: %w", err)
		}
	}
	return results, nil
}
