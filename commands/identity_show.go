package commands

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
	"sessiontool/lib/record"
)

// qrFlags say where the QR code of a Session ID goes, besides its record.
type qrFlags struct {
	terminal bool
	file     string
}

func newIdentityShowCommand(app *cli.App) *cobra.Command {
	var qr qrFlags
	cmd := app.Command(cli.Spec{
		Use:   "show",
		Short: "Print the account's identity record",
		Long: "Print the account's identity record. With --qr its Session ID is also drawn as a QR code, to be scanned by\n" +
			"a friend's phone: on stderr, because stdout carries records only. --qr-file writes it as a picture.",
		Examples: []string{
			"sessiontool identity show --account alice --select session_id",
			"sessiontool identity show --qr",
			"sessiontool identity show --qr-file alice.svg",
		},
		Args:   cobra.NoArgs,
		Prints: []string{record.TypeIdentity},
		Exits:  cli.AccountExits().With(cli.Exits{record.ExitUsage: "the picture cannot be written"}),
		Run:    app.Run(func(ctx context.Context, _ []string) error { return runIdentityShow(ctx, app, &qr) }),
	})
	cmd.Flags().BoolVar(&qr.terminal, "qr", false, "draw the Session ID as a QR code on stderr")
	cmd.Flags().StringVar(&qr.file, "qr-file", "", "write the QR code to this file, .png or .svg")
	return cmd
}

// draw draws what the flags ask for. People look at stderr, for stdout carries records only.
func (q *qrFlags) draw(streams cli.Streams, text string) error {
	encode := map[string]func(picture.QR) []byte{".png": picture.QR.PNG, ".svg": picture.QR.SVG}[strings.ToLower(filepath.Ext(q.file))]
	if q.file != "" && encode == nil {
		return cli.UsageError(fmt.Errorf("--qr-file %s is neither .png nor .svg", q.file))
	}
	if !q.terminal && q.file == "" {
		return nil
	}
	code, err := picture.EncodeQR(text)
	if err != nil {
		return err
	}
	if q.terminal {
		colour := streams.ErrIsTerminal && streams.Env("NO_COLOR") == ""
		if _, err := io.WriteString(streams.Err, code.Terminal(colour)); err != nil {
			return err
		}
	}
	if q.file == "" {
		return nil
	}
	return os.WriteFile(q.file, encode(code), 0o644)
}

func runIdentityShow(ctx context.Context, app *cli.App, qr *qrFlags) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	if err := qr.draw(app.Streams, a.ID().String()); err != nil {
		return err
	}
	return app.Print(identityRecord(a))
}
