package drafts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/account"
	"sessiontool/lib/message"
	"sessiontool/lib/record"
	"sessiontool/lib/sessionid"
)

// Flags are a draft on the command line. They are one draft if --to is given, else drafts come from stdin.
type Flags struct {
	to       []string
	text     string
	textFile string
	ref      string
	id       string // see AddID
	ttl      time.Duration
	Dash     bool // the argument - was given, which means stdin

	protocol string
	noPFS    bool
	split    bool // see AddSplit
	wait     waitFlag
}

// Add defines the flags.
func (d *Flags) Add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&d.to, "to", nil,
		"the recipient, a Session ID or a name of yours, or several with commas or repeated; without it drafts are "+
			"read from stdin")
	flags.StringVar(&d.text, "text", "", "what to say; - reads it from stdin as it is")
	flags.StringVar(&d.textFile, "text-file", "", "read the text from a file as it is; - is stdin")
	flags.StringVar(&d.ref, "ref", "", "a word of yours that the receipt repeats; for drafts of stdin without one")
	flags.DurationVar(&d.ttl, "ttl", 0, "how long the network keeps the message, from 10s (default, and most: 96h, or "+
		"336h with storage RPC 2.8); for drafts of stdin without one")
	flags.StringVar(&d.protocol, "protocol", ProtocolAuto,
		"auto, signal, session-v1 or session-v2: see 'sessiontool help protocols'")
	flags.BoolVar(&d.noPFS, "no-pfs", false,
		"with --protocol session-v2: encrypt for the Session ID, without forward secrecy")
}

// AddID defines the flag for an idempotency key.
func (d *Flags) AddID(flags *pflag.FlagSet) {
	flags.StringVar(&d.id, "id", "", "a name of yours for the message: it is sent once per recipient, however often the "+
		"command runs within 15 days")
}

// AddSplit defines the flag for long texts.
func (d *Flags) AddSplit(flags *pflag.FlagSet) {
	flags.BoolVar(&d.split, "split", false,
		"send a text of more than 2000 characters as numbered parts, each a message with a receipt, as phones show")
}

// Each calls do with each draft of the flags or, if there is none, of stdin. One draft is for one recipient.
func (d *Flags) Each(ctx context.Context, app *cli.App, do func(account.Draft) (any, error)) error {
	return d.eachAhead(ctx, app, cli.Processors(1), func(_ context.Context, draft account.Draft) (cli.Task, error) {
		result, err := do(draft)
		return func(context.Context) (any, error) { return result, nil }, err
	})
}

// eachAhead is Each for work of which several parts are done at one time: see cli.FilterParts.
func (d *Flags) eachAhead(ctx context.Context, app *cli.App, ahead cli.Ahead,
	prepare func(context.Context, account.Draft) (cli.Task, error)) error {
	finder := who.Needing(app)
	split := func(in record.Draft) ([]cli.Part, error) {
		draft, err := parseDraft(in)
		if err != nil {
			return nil, err
		}
		pieces, err := d.parts(draft.Text)
		if err != nil {
			return nil, err
		}
		var parts []cli.Part
		for _, to := range recipients(ctx, finder, in.To) {
			draft := draft
			draft.To = to.id
			if to.err != nil {
				parts = append(parts, cli.Part{To: to.given, Prepare: func() (cli.Task, error) { return nil, to.err }})
				continue
			}
			for _, piece := range pieces {
				parts = append(parts, cli.Part{To: to.given, Prepare: func() (cli.Task, error) {
					task, err := prepare(ctx, piece.draft(draft))
					return piece.numbered(task), err
				}})
			}
		}
		return parts, nil
	}
	in, given, err := d.given(app)
	if err != nil {
		return err
	}
	if given {
		parts, err := split(in)
		if err != nil {
			return err
		}
		return cli.DoParts(ctx, app, ahead, parts)
	}
	return cli.FilterParts(ctx, app, ahead, func(in record.Draft) ([]cli.Part, error) { return split(d.complete(in)) })
}

// recipient is a recipient of a draft, as given and as found.
type recipient struct {
	given string
	id    sessionid.ID
	err   error
}

// errNoRecipient reports a draft or a --to that names no recipient, or an empty one among others.
var errNoRecipient = cli.WithCode(sessionid.ErrInvalid, errors.New("there is no recipient: 'to' is missing or empty"))

// recipients returns the recipients of a draft, each once: who is listed twice, by the ID and by a name perhaps, gets the
// text once. A draft without one has one with an error.
func recipients(ctx context.Context, finder *who.Finder, listed []string) (once []recipient) {
	if len(listed) == 0 {
		listed = []string{""}
	}
	for _, to := range listed {
		one := recipient{given: strings.TrimSpace(to)}
		if one.given == "" {
			one.err = errNoRecipient
		} else {
			one.id, one.err = finder.ID(ctx, one.given)
		}
		same := func(other recipient) bool {
			return strings.EqualFold(one.given, other.given) || one.err == nil && one.id == other.id
		}
		if !slices.ContainsFunc(once, same) {
			once = append(once, one)
		}
	}
	return once
}

// complete gives a draft of stdin what the flags say and it does not.
func (d *Flags) complete(in record.Draft) record.Draft {
	if in.Protocol == "" {
		in.Protocol, in.NoPFS = d.protocol, in.NoPFS || d.noPFS
	}
	if in.Ref == "" {
		in.Ref = record.Word(d.ref)
	}
	if in.TTLMillis == 0 {
		in.TTLMillis = d.ttl.Milliseconds()
	}
	return in
}

// given returns the draft of the flags; given is false if drafts come from stdin.
func (d *Flags) given(app *cli.App) (draft record.Draft, given bool, err error) {
	if d.protocol != ProtocolAuto && !account.Protocol(d.protocol).Known() {
		return draft, false, cli.UsageError(fmt.Errorf("--protocol %q is not auto, signal, session-v1 or session-v2",
			d.protocol))
	}
	if d.noPFS && account.Protocol(d.protocol) != account.ProtocolSessionV2 {
		return draft, false, cli.UsageError(errors.New("--no-pfs needs --protocol session-v2"))
	}
	var recipients []string
	for _, list := range d.to {
		recipients = append(recipients, strings.Split(list, ",")...)
	}
	texts := 0
	for _, one := range []bool{d.text != "", d.textFile != "", d.Dash} {
		if one {
			texts++
		}
	}
	switch {
	case len(recipients) == 0 && (d.text != "" || d.textFile != ""):
		return draft, false, cli.UsageError(errors.New("a text on the command line needs --to"))
	case len(recipients) == 0 && d.id != "":
		return draft, false, cli.UsageError(errors.New("--id needs --to; a draft of stdin has a field id"))
	case len(recipients) == 0:
		return draft, false, nil
	case texts > 1:
		return draft, false, cli.UsageError(errors.New("the text comes from --text, from --text-file or from stdin (-)"))
	}
	draft = d.complete(record.Draft{To: recipients, ID: record.Word(d.id)})
	draft.Text, err = d.readText(app)
	return draft, true, err
}

// readText returns the text of the flags, from wherever it comes.
func (d *Flags) readText(app *cli.App) (string, error) {
	var in io.Reader
	switch {
	case d.Dash || d.text == "-" || d.textFile == "-":
		if app.Streams.InIsTerminal {
			return "", cli.ErrStdinTerminal
		}
		in = app.Streams.In
	case d.textFile == "":
		return d.text, nil
	default:
		file, err := os.Open(d.textFile)
		if err != nil {
			return "", err
		}
		defer file.Close()
		in = file
	}
	most := int64(message.MaxTextBytes)
	if d.split {
		most = message.MaxParts * message.PhoneChars * utf8.UTFMax
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return "", fmt.Errorf("reading the text: %w", err)
	}
	return string(text), nil
}

// ProtocolAuto leaves the protocol to what is known of the recipient and of the network.
const ProtocolAuto = "auto"

// parseDraft reads a draft, except for its recipients.
func parseDraft(in record.Draft) (account.Draft, error) {
	if in.TimestampMS < 0 {
		return account.Draft{}, fmt.Errorf("%w: timestamp_ms is negative", cli.ErrBadInput)
	}
	draft := account.Draft{
		Text: in.Text, TTLMillis: in.TTLMillis, TimestampMS: in.TimestampMS, Ref: string(in.Ref), ID: string(in.ID),
	}
	if in.Protocol != "" && in.Protocol != ProtocolAuto {
		if draft.Protocol = account.Protocol(in.Protocol); !draft.Protocol.Known() {
			return account.Draft{}, fmt.Errorf("%w: protocol %.20q is not auto, signal, session-v1 or session-v2",
				cli.ErrBadInput, in.Protocol)
		}
	}
	if draft.WithoutPFS = in.NoPFS; in.NoPFS && draft.Protocol != account.ProtocolSessionV2 {
		return account.Draft{}, fmt.Errorf("%w: no_pfs needs the protocol session-v2", cli.ErrBadInput)
	}
	return draft, nil
}
