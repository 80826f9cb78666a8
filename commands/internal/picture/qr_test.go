package picture

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const qrText = "055bf55c73b82ebe22be80f3430667af570fae2556a6415e6b30d4065300aa947d"

func encodeQR(t *testing.T) QR {
	t.Helper()
	code, err := EncodeQR(qrText)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// The three corners have the finder pattern, and there is light all around.
func TestCodeHasItsMarks(t *testing.T) {
	code := encodeQR(t)
	finder := []string{"#######", "#     #", "# ### #", "# ### #", "# ### #", "#     #", "#######"}
	far := code.Size() - quiet - len(finder)
	for _, corner := range [][2]int{{quiet, quiet}, {far, quiet}, {quiet, far}} {
		for y, row := range finder {
			for x, mark := range row {
				if code.Dark(corner[0]+x, corner[1]+y) != (mark == '#') {
					t.Fatalf("the finder pattern at %v is damaged in row %d", corner, y)
				}
			}
		}
	}
	for i := range code.Size() {
		for edge := range quiet {
			far := code.Size() - 1 - edge
			if code.Dark(i, edge) || code.Dark(edge, i) || code.Dark(i, far) || code.Dark(far, i) {
				t.Fatal("the quiet zone is not light")
			}
		}
	}
}

// All drawings show the same modules.
func TestQRTerminal(t *testing.T) {
	code := encodeQR(t)
	colours := strings.NewReplacer("\x1b[40;97m", "", "\x1b[0m", "")
	plain := code.Terminal(false)
	if colours.Replace(code.Terminal(true)) != plain || code.Terminal(true) == plain {
		t.Error("colour changes more than the colour")
	}
	lines := strings.Split(strings.TrimSuffix(plain, "\n"), "\n")
	if len(lines) != (code.Size()+1)/2 {
		t.Fatalf("%d lines for %d rows", len(lines), code.Size())
	}
	for y := range code.Size() {
		row := []rune(lines[y/2])
		if len(row) != code.Size() {
			t.Fatalf("line %d has %d columns", y/2, len(row))
		}
		for x, block := range row {
			light := block == '█' || block == []rune("▀▄")[y%2]
			if light == code.Dark(x, y) {
				t.Fatalf("module %d,%d is drawn wrong", x, y)
			}
		}
	}
}

func TestQRPNG(t *testing.T) {
	code := encodeQR(t)
	picture, err := png.Decode(bytes.NewReader(code.PNG()))
	if err != nil {
		t.Fatal(err)
	}
	const scale = 8
	if width := picture.Bounds().Dx(); width != scale*code.Size() {
		t.Fatalf("%d pixels for %d modules", width, code.Size())
	}
	for y := range code.Size() {
		for x := range code.Size() {
			if r, _, _, _ := picture.At(scale*x+scale/2, scale*y+scale/2).RGBA(); (r == 0) != code.Dark(x, y) {
				t.Fatalf("module %d,%d is drawn wrong", x, y)
			}
		}
	}
}

func TestQRSVG(t *testing.T) {
	code := encodeQR(t)
	drawing := code.SVG()
	decoder := xml.NewDecoder(bytes.NewReader(drawing))
	for {
		if _, err := decoder.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	drawn := make(map[[2]int]bool)
	for _, match := range regexp.MustCompile(`M(\d+) (\d+)h1v1h-1z`).FindAllSubmatch(drawing, -1) {
		x, errX := strconv.Atoi(string(match[1]))
		y, errY := strconv.Atoi(string(match[2]))
		if errX != nil || errY != nil {
			t.Fatal(errX, errY)
		}
		drawn[[2]int{x, y}] = true
	}
	for y := range code.Size() {
		for x := range code.Size() {
			if drawn[[2]int{x, y}] != code.Dark(x, y) {
				t.Fatalf("module %d,%d is drawn wrong", x, y)
			}
		}
	}
}

func TestQRTooLong(t *testing.T) {
	if _, err := EncodeQR(strings.Repeat("x", 4000)); err == nil {
		t.Error("a text that fits into no code was encoded")
	}
}
