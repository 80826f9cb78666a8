package lib_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// compute evaluates an expression of numbers, known names and the four operations.
func compute(expression ast.Expr, known map[string]float64) (float64, error) {
	switch e := expression.(type) {
	case *ast.ParenExpr:
		return compute(e.X, known)
	case *ast.BasicLit:
		return strconv.ParseFloat(e.Value, 64)
	case *ast.Ident:
		value, ok := known[e.Name]
		if !ok {
			return 0, fmt.Errorf("%s is not known", e.Name)
		}
		return value, nil
	case *ast.BinaryExpr:
		x, err := compute(e.X, known)
		if err != nil {
			return 0, err
		}
		y, err := compute(e.Y, known)
		switch e.Op {
		case token.ADD:
			return x + y, err
		case token.SUB:
			return x - y, err
		case token.MUL:
			return x * y, err
		case token.QUO:
			return x / y, err
		}
	}
	return 0, fmt.Errorf("%T is no number", expression)
}

// Every figure of docs/scale.md that has a formula is what the formula says, within half a percent.
func TestScale(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "scale.md"))
	if err != nil {
		t.Fatal(err)
	}
	known, computed := make(map[string]float64), 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) < 3 || !strings.HasPrefix(cells[0], "`") {
			continue
		}
		value, err := strconv.ParseFloat(cells[1], 64)
		if err != nil {
			continue // of a table of measurements
		}
		name := strings.Trim(cells[0], "`")
		if _, twice := known[name]; twice {
			t.Errorf("%s has two rows", name)
		}
		known[name] = value
		formula := strings.Trim(cells[len(cells)-1], "`")
		expression, err := parser.ParseExpr(formula)
		if err != nil || len(cells) != 4 || strings.Contains(formula, "go test") {
			continue // measured or chosen
		}
		computed++
		if want, err := compute(expression, known); err != nil || math.Abs(value-want) > want/200 {
			t.Errorf("%s is %v, its formula gives %v, %v", name, value, want, err)
		}
	}
	if computed < 15 || len(known) < 30 {
		t.Errorf("the page has %d names and %d formulas", len(known), computed)
	}
}
