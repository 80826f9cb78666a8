package rpc28

import (
	"encoding/json"
	"fmt"

	"sessiontool/lib/storage"
)

// ParsePage reads a PageAnswer: the first [storage.MaxPage] messages of it, with More set if it has others. Like
// [storage.ParseMessages] it fails for a message that is none.
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

// HasResults reports whether an answer with this status may have a ChangeAnswer as its body: 500 is that of servers
// after 2.8.0 when every member failed.
func HasResults(status int) bool { return status == storage.StatusOK || status == storage.StatusFailed }

// ParseChange reads a ChangeAnswer of at most [storage.MaxMembers] members, without those whose result cannot be read.
func ParseChange(body string) (ChangeAnswer, error) {
	var answer struct {
		Hash  string                     `json:"hash"`
		Swarm map[string]json.RawMessage `json:"swarm"`
		Clock
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return ChangeAnswer{}, fmt.Errorf("answer is not about a swarm: %w", err)
	}
	if answer.Swarm == nil || len(answer.Swarm) > storage.MaxMembers {
		return ChangeAnswer{}, fmt.Errorf("answer is about %d members", len(answer.Swarm))
	}
	change := ChangeAnswer{Hash: answer.Hash, Swarm: make(map[string]MemberResult, len(answer.Swarm)), Clock: answer.Clock}
	for name, text := range answer.Swarm {
		var result MemberResult
		if json.Unmarshal(text, &result) == nil {
			change.Swarm[name] = result
		}
	}
	return change, nil
}

// ParseBatch reads a BatchAnswer to count requests. A sequence may have ended before the last of them.
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
