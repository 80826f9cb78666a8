package page

import (
	"bytes"
	"encoding/json"
	"time"
)

// eventText makes one server-sent event. data is JSON, so it has no line break.
func eventText(name string, data []byte) []byte {
	var b bytes.Buffer
	b.WriteString("event: " + name + "\ndata: ")
	b.Write(data)
	b.WriteString("\n\n")
	return b.Bytes()
}

// mustJSON encodes numbers and texts, which cannot fail.
func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// tickText is a frame as the script gets it. An event is kind, from, to, hop and times.
type tickText struct {
	Time       int64             `json:"t"`
	Topology   int64             `json:"topology"`
	Difficulty uint64            `json:"difficulty"`
	Events     [][5]int          `json:"events,omitempty"`
	Counts     [kinds]uint32     `json:"counts"`
	Nodes      []json.RawMessage `json:"nodes,omitempty"`
	Messages   []*message        `json:"messages,omitempty"`
	Marks      []mark            `json:"marks,omitempty"`
}

// tick encodes what is not sent yet, and marks it as sent. The caller holds mu.
func (c *collector) tick(now time.Time, f *frame) []byte {
	text := mustJSON(tickText{
		Time: milliseconds(now), Topology: c.view.topology, Difficulty: c.view.difficulty, Events: eventRows(f.edges),
		Counts: f.counts, Nodes: c.view.takeUnsent(), Messages: c.followed.unsent, Marks: c.history.unsent,
	})
	c.followed.sent()
	c.history.sent()
	return text
}

func eventRows(edges []counted) [][5]int {
	rows := make([][5]int, len(edges))
	for i, e := range edges {
		rows[i] = [5]int{int(e.kind), int(e.from), int(e.to), int(e.hop), int(e.times)}
	}
	return rows
}

// helloText is the whole state. A row of History is a Unix time and the counts of its second.
type helloText struct {
	Time       int64             `json:"t"`
	Topology   int64             `json:"topology"`
	Difficulty uint64            `json:"difficulty"`
	Nodes      []json.RawMessage `json:"nodes"`
	Messages   []*message        `json:"messages"`
	History    [][kinds + 1]int  `json:"history"`
	Marks      []mark            `json:"marks"`
	Span       int               `json:"span"` // seconds of history, at most
}

// hello encodes the whole state. The caller holds mu.
func (c *collector) hello(now time.Time) []byte {
	text := helloText{
		Time: milliseconds(now), Topology: c.view.topology, Difficulty: c.view.difficulty,
		Messages: c.followed.latest(maxMessagesInFrame), Marks: append([]mark{}, c.history.marks...),
		History: [][kinds + 1]int{}, Nodes: []json.RawMessage{}, Span: historySeconds,
	}
	for _, node := range c.view.encoded {
		text.Nodes = append(text.Nodes, node)
	}
	for _, s := range c.history.seconds {
		row := [kinds + 1]int{int(s.at)}
		for kind, count := range s.counts {
			row[kind+1] = int(count)
		}
		text.History = append(text.History, row)
	}
	return mustJSON(text)
}

// pastText is one second of the history.
type pastText struct {
	Second   int64    `json:"second"`
	Topology int64    `json:"topology"`
	Statuses []int    `json:"statuses"`
	Messages []uint32 `json:"messages"`
	Events   [][5]int `json:"events"`
}

// past encodes the second at a Unix time, nil if it is not known.
func (c *collector) past(at int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.history.find(at)
	if s == nil {
		return nil
	}
	text := pastText{Second: s.at, Topology: s.topology, Messages: s.messages, Events: eventRows(s.edges)}
	for _, status := range s.statuses {
		text.Statuses = append(text.Statuses, int(status))
	}
	return mustJSON(text)
}
