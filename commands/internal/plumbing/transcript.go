package plumbing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
	"sessiontool/lib/sessionid"
)

// NewTranscript makes the command transcript.
func NewTranscript(app *cli.App) *cobra.Command {
	return cli.Parent("transcript", "Show what a transcript of messages does not prove", "",
		newTranscriptForgeCommand(app),
	)
}

type transcriptForgeOptions struct {
	as          string
	texts       []string
	request     string
	displayName string
	named       bool // --display-name is given
	protocol    string
	dir         string
	dash        bool
}

func newTranscriptForgeCommand(app *cli.App) *cobra.Command {
	opts := &transcriptForgeOptions{}
	var cmd *cobra.Command
	cmd = app.Command(cli.Spec{
		Use:   "forge --as ID [-]",
		Short: "Make a transcript with a contact who takes no part in it",
		Long: "Make messages of protocol signal that seem to be a conversation between the account and ID: a friend\n" +
			"request, its acceptance, and texts of both. It takes the account's own keys and ID, which need not\n" +
			"be a contact, and no key of ID. Every check that a real message passes, a forged one passes as well:\n" +
			"that is deniability, and the reason why no transcript proves what its other side wrote.\n\n" +
			"--text is a text of ID. Without it sayings are read from stdin; one with the direction out is a text\n" +
			"of the account. Their timestamps may lie in the past, and never go back.\n\n" +
			"Nothing is sent. The account's sessions, contacts and messages are not touched: all of it happens in\n" +
			"a throw-away keystore. --dir keeps that, in the state in which the last texts of ID have not been\n" +
			"opened: 'envelope open' opens them there, as it opens real ones. It has the account's private keys,\n" +
			"as a copy of the keystore has.\n\n" +
			"Messages of session-v1 cannot be forged so: each carries its sender's signature.",
		Examples: []string{
			"sessiontool transcript forge --as $BOB --text 'I owe you 1000' --text 'Really'",
			"sessiontool transcript forge --as $CAROL --text 'I was there' --dir copy > forged && " +
				"grep '\"from\":\"'$CAROL forged | sessiontool --keystore copy envelope open",
			`printf '{"text":"Was it you?","direction":"out"}{"text":"Yes"}' | sessiontool transcript forge --as $BOB`,
		},
		Reads:  []string{record.NameSaying},
		Prints: []string{record.TypeTranscript},
		Needs:  cli.Account,
		Exits:  cli.Exits{record.ExitUsage: "bad saying, or a protocol with signatures"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.dash = len(args) > 0
			opts.named = cmd.Flags().Changed("display-name")
			return runTranscriptForge(ctx, app, opts)
		}),
	})
	flags := cmd.Flags()
	flags.StringVar(&opts.as, "as", "", "the other side, which takes no part: a Session ID or a name of yours")
	flags.StringArrayVar(&opts.texts, "text", nil, "a text of the other side; may be given several times")
	flags.StringVar(&opts.request, "request", "", "text of the account's friend request")
	flags.StringVar(&opts.displayName, "display-name", "",
		"name that the other side's texts carry (default: the contact's name, if it is one)")
	flags.StringVar(&opts.protocol, "protocol", string(account.ProtocolSignal), "signal; session-v1 is refused")
	flags.StringVar(&opts.dir, "dir", "", "keep the throw-away keystore in this folder, which must be empty or absent")
	return cmd
}

// check returns the other side's Session ID, or the error of the options.
func (opts *transcriptForgeOptions) check(ctx context.Context, app *cli.App) (sessionid.ID, error) {
	switch opts.protocol {
	case string(account.ProtocolSignal):
	case string(account.ProtocolSessionV1):
		return sessionid.ID{}, cli.UsageError(account.ErrSigned)
	default:
		return sessionid.ID{}, cli.UsageError(fmt.Errorf("--protocol %.20q is not signal", opts.protocol))
	}
	if opts.as == "" {
		return sessionid.ID{}, cli.UsageError(errors.New("--as is missing: whose words to make up"))
	}
	if opts.dash && len(opts.texts) > 0 {
		return sessionid.ID{}, cli.UsageError(errors.New("texts come from --text or from stdin, not from both"))
	}
	return who.Needing(app).ID(ctx, opts.as)
}

func runTranscriptForge(ctx context.Context, app *cli.App, opts *transcriptForgeOptions) (err error) {
	id, err := opts.check(ctx, app)
	if err != nil {
		return err
	}
	if len(opts.texts) == 0 && app.Streams.InIsTerminal {
		return cli.ErrStdinTerminal
	}
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	if id == a.ID() {
		return account.ErrSelf // before a folder is made
	}
	name, err := opts.nameOf(ctx, a, id)
	if err != nil {
		return err
	}
	store, remove, err := app.CreateThrowAway(ctx, opts.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	forgery, err := a.Forge(ctx, store, id, name)
	if err != nil {
		return err
	}
	return opts.forge(ctx, app, forgery)
}

// nameOf returns the name for the other side's texts.
func (opts *transcriptForgeOptions) nameOf(ctx context.Context, a *account.Account, id sessionid.ID) (string, error) {
	if opts.named {
		return opts.displayName, account.CheckNames(a.Name(), opts.displayName)
	}
	contact, err := a.Contact(ctx, id)
	if errors.Is(err, account.ErrUnknownContact) {
		return "", nil
	}
	return contact.DisplayName, err
}

// forge makes the transcript. Its beginning has the time of its first text.
func (opts *transcriptForgeOptions) forge(ctx context.Context, app *cli.App, forgery *account.Forgery) error {
	begun := false
	say := func(in record.Saying) error {
		at, err := timeOf(in)
		if err != nil {
			return err
		}
		if !begun {
			made, err := forgery.Begin(ctx, opts.request, at)
			if err != nil {
				return err
			}
			if err := printTranscript(app, "", made...); err != nil {
				return err
			}
			begun = true
		}
		if in.Direction == "out" {
			made, err := forgery.Ours(ctx, in.Text, at)
			if err != nil {
				return err
			}
			return printTranscript(app, in.Ref, made...)
		}
		made, err := forgery.Theirs(in.Text, at)
		if err != nil {
			return err
		}
		return printTranscript(app, in.Ref, made)
	}
	for _, text := range opts.texts {
		if err := say(record.Saying{Text: text}); err != nil {
			return err
		}
	}
	if len(opts.texts) > 0 {
		return nil
	}
	return cli.Filter(app, say)
}

// timeOf checks a saying and returns its time, the zero time if it has none.
func timeOf(in record.Saying) (at time.Time, err error) {
	switch {
	case in.Direction != "" && in.Direction != "in" && in.Direction != "out":
		return at, fmt.Errorf("%w: direction %.20q is neither in nor out", cli.ErrBadInput, in.Direction)
	case in.TimestampMS < 0:
		return at, fmt.Errorf("%w: timestamp_ms is negative", cli.ErrBadInput)
	case in.TimestampMS == 0:
		return at, nil
	}
	return time.UnixMilli(in.TimestampMS), nil
}

// kindNames are the kinds of messages as records name them.
var kindNames = map[account.Kind]string{
	account.KindFriendRequest: record.TypeFriendRequest, account.KindText: record.TypeMessage,
	account.KindControl: record.TypeControl,
}

// printTranscript prints messages; the text that was asked for, which is the last, has the ref.
func printTranscript(app *cli.App, ref string, messages ...account.ForgedMessage) error {
	for i, m := range messages {
		out := record.Transcript{
			Type: record.TypeTranscript, From: m.From.String(), To: m.To.String(), Kind: kindNames[m.Kind],
			Text: m.Text, TimestampMS: m.TimestampMS, TTLMillis: m.TTLMillis, DataBase64: m.Data,
		}
		if i == len(messages)-1 {
			out.Ref = ref
		}
		if err := app.Print(out); err != nil {
			return err
		}
	}
	return nil
}
