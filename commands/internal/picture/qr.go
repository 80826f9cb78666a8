package picture

import (
	"bytes"
	"fmt"
	"strings"

	"rsc.io/qr"
)

// The same text gives the same QR code, dark on light, with the quiet zone that scanners need.

// quiet is the width of the light border, in modules.
const quiet = 4

// QR is a QR code that restores up to 15 % of itself.
type QR struct{ code *qr.Code }

// EncodeQR makes the code of a text. The error says that the text is too long for one.
func EncodeQR(text string) (QR, error) {
	code, err := qr.Encode(text, qr.M)
	return QR{code}, err
}

// Size is the width and height in modules, with the quiet zone.
func (c QR) Size() int { return c.code.Size + 2*quiet }

// Dark reports whether the module in column x and row y, from the upper left, is dark.
func (c QR) Dark(x, y int) bool { return c.code.Black(x-quiet, y-quiet) }

// Terminal draws the code with half blocks: one line of Size characters for two rows of modules. It draws the light
// modules, which suits terminals with light letters on a dark ground. With colour it sets ground and letters, which
// suits every terminal.
func (c QR) Terminal(colour bool) string {
	var b strings.Builder
	for y := 0; y < c.Size(); y += 2 {
		if colour {
			b.WriteString("\x1b[40;97m")
		}
		for x := range c.Size() {
			// The size is odd: there is no row below the last one.
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
func (c QR) PNG() []byte { return c.code.PNG() }

// SVG returns the code as a drawing that scales.
func (c QR) SVG() []byte {
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
