package rpc28

import (
	"encoding/json"
	"fmt"

	"sessiontool/lib/storage"
)

// ParsePage reads a [PageAnswer]: its first [storage.MaxPage] messages. More is also set if the answer has further
// ones. Like [storage.ParseMessages] it fails for a malformed message.
func ParsePage(body string) (PageAnswer, error) {
	var page struct {
		Messages json.RawMessage `json:"messages"`
		More     bool            `json:"more"`
		Clock
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		return PageAnswer{}, fmt.Errorf("answer is not a list of messages: %w", err)
	}
	messages, err := storage.ParseMessages(body)
	if err != nil {
		return PageAnswer{}, err
	}
	beyond, err := storage.Elements(page.Messages, storage.MaxPage+1)
	if err != nil {
		return PageAnswer{}, fmt.Errorf("answer is not a list of messages: %w", err)
	}
	return PageAnswer{Messages: messages, More: page.More || len(beyond) > storage.MaxPage, Clock: page.Clock}, nil
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
