package commands

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/picture"
)

// qrFlags say where the QR code of a Session ID goes, besides its record.
type qrFlags struct {
	terminal bool
	file     string
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
