package identitycmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/picture"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/record"
)

// identityShowOptions choose where the QR code of the Session ID is drawn.
type identityShowOptions struct {
	qr     bool   // on stderr
	qrFile string // empty for none
}

func newIdentityShowCommand(app *cli.App) *cobra.Command {
	opts := &identityShowOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "show",
		Short: "Print the account's identity record",
		Long: "Print the account's identity record. With --qr its Session ID is also drawn as a QR code, to be\n" +
			"scanned by a friend's phone: on stderr, because stdout carries records only. --qr-file writes it as\n" +
			"a picture.",
		Examples: []string{
			"sessiontool identity show --account alice --select session_id",
			"sessiontool identity show --qr",
			"sessiontool identity show --qr-file alice.svg",
		},
		Prints: []string{record.TypeIdentity},
		Needs:  cli.Account,
		Exits:  cli.Exits{record.ExitUsage: "the picture cannot be written"},
		Run:    app.Run(func(ctx context.Context, _ []string) error { return runIdentityShow(ctx, app, opts) }),
	})
	cmd.Flags().BoolVar(&opts.qr, "qr", false, "draw the Session ID as a QR code on stderr")
	cmd.Flags().StringVar(&opts.qrFile, "qr-file", "", "write the QR code to this file, .png or .svg")
	return cmd
}

// draw draws the QR codes that the flags ask for. The one for a person goes to stderr: stdout carries records only.
func (q *identityShowOptions) draw(streams cli.Streams, text string) error {
	formats := map[string]func(picture.QR) []byte{".png": picture.QR.PNG, ".svg": picture.QR.SVG}
	encode := formats[strings.ToLower(filepath.Ext(q.qrFile))]
	if q.qrFile != "" && encode == nil {
		return cli.UsageError(fmt.Errorf("--qr-file %s is neither .png nor .svg", q.qrFile))
	}
	if !q.qr && q.qrFile == "" {
		return nil
	}
	code, err := picture.EncodeQR(text)
	if err != nil {
		return err
	}
	if q.qr {
		colour := streams.ErrIsTerminal && streams.Env("NO_COLOR") == ""
		if _, err := io.WriteString(streams.Err, code.Terminal(colour)); err != nil {
			return err
		}
	}
	if q.qrFile == "" {
		return nil
	}
	return os.WriteFile(q.qrFile, encode(code), 0o644)
}

func runIdentityShow(ctx context.Context, app *cli.App, opts *identityShowOptions) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	if err := opts.draw(app.Streams, a.ID().String()); err != nil {
		return err
	}
	return app.Print(render.Identity(a))
}
