package node

import (
	"bytes"
	"encoding/json"
	"fmt"

	"sessiontool/lib/storage"
)

// Content types of answers. A 2020 client reads JSON only if the type is exactly this (signal-2020.md section 2.1).
const (
	typeJSON = "application/json"
	typeText = "text/plain"
	typeNone = ""
)

// answer is what a request is answered with, over HTTP or sealed in an onion.
type answer struct {
	status      int
	contentType string
	body        []byte
}

func textAnswer(status int, text string) answer { return answer{status, typeText, []byte(text)} }

// bareAnswer has no content type, like everything a 2020 server says outside its storage RPC.
func bareAnswer(status int, text string) answer { return answer{status, typeNone, []byte(text)} }

// jsonAnswer writes JSON as the 2020 server does: compact, without HTML escapes.
func jsonAnswer(status int, v any) (answer, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return answer{}, err
	}
	return answer{status, typeJSON, bytes.TrimSuffix(body.Bytes(), []byte("\n"))}, nil
}

// refusal is a request that cannot be served, with the text that the client gets.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return fmt.Sprintf("refused with status %d: %q", r.status, r.text) }

func refuse(status int, format string, args ...any) error {
	return refusal{status, fmt.Sprintf(format, args...)}
}

var (
	errTTL       = refusal{storage.StatusBadTTL, "Provided TTL is not valid.\n"}
	errTimestamp = refusal{storage.StatusBadTimestamp, "Timestamp error: check your clock\n"}
)
