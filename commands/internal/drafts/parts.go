package drafts

import (
	"context"
	"fmt"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/message"
	"sessiontool/lib/record"
)

// part is one of the messages that a text becomes. Number is 0 if the text is one message.
type part struct {
	text          string
	number, parts int
}

// parts returns the messages that a text becomes.
func (d *Flags) parts(text string) ([]part, error) {
	if !d.split {
		return []part{{text: text}}, nil
	}
	texts, err := message.Split(text)
	if err != nil || len(texts) == 1 {
		return []part{{text: text}}, err
	}
	var parts []part
	for i, text := range texts {
		parts = append(parts, part{text, i + 1, len(texts)})
	}
	return parts, nil
}

// draft returns the draft of a part. Its place is in its ID and in its time, if it has those, as it is in its text.
func (p part) draft(whole account.Draft) account.Draft {
	whole.Text = p.text
	if p.number > 0 && whole.ID != "" {
		whole.ID += fmt.Sprintf(" (%d/%d)", p.number, p.parts)
	}
	if p.number > 0 && whole.TimestampMS != 0 {
		whole.TimestampMS += int64(p.number - 1)
	}
	return whole
}

// numbered adds the place of a part to the receipts and the results of dry runs that a task returns.
func (p part) numbered(task cli.Task) cli.Task {
	if p.number == 0 || task == nil {
		return task
	}
	return func(ctx context.Context) (any, error) {
		result, err := task(ctx)
		if printed, ok := result.(cli.Printed); ok {
			if receipt, ok := printed.Record.(record.Receipt); ok {
				receipt.Part, receipt.Parts = p.number, p.parts
				printed.Record = receipt
			}
			result = printed
		}
		if planned, ok := result.(record.DryRun); ok {
			planned.Part, planned.Parts = p.number, p.parts
			result = planned
		}
		return result, err
	}
}
