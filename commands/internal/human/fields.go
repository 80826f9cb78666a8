package human

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
)

// fields shows any other record: its type, and a line for each field that has a value. Lists and objects are JSON.
func (w *Writer) fields(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	whole := gjson.ParseBytes(data)
	b.WriteString(w.paint(or(whole.Get("type").Str, "record"), bold) + "\n")
	widest := 0
	whole.ForEach(func(name, _ gjson.Result) bool {
		widest = max(widest, len(name.Str))
		return true
	})
	whole.ForEach(func(name, value gjson.Result) bool {
		if name.Str == "type" || value.Raw == `""` || value.Raw == "[]" || value.Raw == "null" {
			return true
		}
		text := value.Raw
		if value.Type == gjson.String {
			text = value.Str
			if strings.HasSuffix(name.Str, "_at") || name.Str == "at" || name.Str == "since" {
				text = w.clock(text)
			}
		}
		b.WriteString("  " + w.paint(pad(name.Str, widest), dim) + "  " + Harmless(text) + "\n")
		return true
	})
	return b.String(), nil
}
