// Package qrcode draws texts as QR codes: for a terminal, as PNG and as SVG.
//
// It promises a code with the quiet zone that scanners need, dark on light, the same for the same text. It is pure.
package qrcode

import (
	"bytes"
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the width of the light border, in modules.
const quiet = 4

// Code is a QR code that restores up to 15 % of itself.
type Code struct{ code *qr.Code }

// Encode makes the code of a text. The error says that the text is too long for one.
func Encode(text string) (Code, error) {
	code, err := qr.Encode(text, qr.M)
	return Code{code}, err
}

// Size is the width and height in modules, with the quiet zone.
func (c Code) Size() int { return c.code.Size + 2*quiet }

// Dark reports whether the module in column x and row y, from the upper left, is dark.
func (c Code) Dark(x, y int) bool { return c.code.Black(x-quiet, y-quiet) }

// Terminal draws the code with half blocks, two rows of modules to a line of Size characters. Light is drawn and dark
// is left out, as suits terminals with light letters on a dark ground. With colour the ground and the letters are set,
// so that it suits every terminal.
func (c Code) Terminal(colour bool) string {
	var b strings.Builder
	for y := 0; y < c.Size(); y += 2 {
		if colour {
			b.WriteString("\x1b[40;97m")
		}
		for x := range c.Size() {
			// The size is odd: what is below the last row is not there.
			upper, lower := !c.Dark(x, y), y+1 < c.Size() && !c.Dark(x, y+1)
			switch {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		if colour {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// PNG returns the code as a picture, 8 pixels to a module.
func (c Code) PNG() []byte { return c.code.PNG() }

// SVG returns the code as a drawing that scales.
func (c Code) SVG() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" shape-rendering=\"crispEdges\">\n"+
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<path d=\"", c.Size(), c.Size())
	for y := range c.Size() {
		for x := range c.Size() {
			if c.Dark(x, y) {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	b.WriteString("\"/>\n</svg>\n")
	return b.Bytes()
}
