package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// mutant is one change of a package's code.
type mutant struct {
	id       int
	file     string // path
	line     int
	function string
	from, to string
	constant *edit // of a change within a constant: it needs a build of its own
}

// edit replaces the bytes of a file from start to end.
type edit struct {
	start, end int
	text       string
	closes     bool // ends what begins before
}

// load returns the packages that patterns name, with their mutants.
func load(root string, patterns []string) (loaded []*pkg, err error) {
	all, err := packages.Load(&packages.Config{
		Dir: root, Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedSyntax |
			packages.NeedTypes | packages.NeedTypesInfo | packages.NeedDeps | packages.NeedImports,
	}, patterns...)
	if err != nil {
		return nil, err
	}
	if packages.PrintErrors(all) > 0 {
		return nil, fmt.Errorf("%v cannot be loaded", patterns)
	}
	for _, one := range all {
		p := &pkg{root: root, importPath: one.PkgPath, files: make(map[string]*source)}
		_, p.name, _ = strings.Cut(one.PkgPath, "/")
		for i, file := range one.Syntax {
			if ast.IsGenerated(file) {
				continue
			}
			path := one.CompiledGoFiles[i]
			p.dir, p.word = filepath.Dir(path), file.Name.Name
			if err := p.readFile(path); err != nil {
				return nil, err
			}
			v := &visitor{pkg: p, info: one.TypesInfo, fset: one.Fset, path: path}
			for _, declaration := range file.Decls {
				if f, ok := declaration.(*ast.FuncDecl); ok && f.Body != nil {
					v.function = functionName(f)
					v.visit(f.Body)
				}
			}
		}
		loaded = append(loaded, p)
	}
	return loaded, nil
}

// functionName returns a function's name, with the type of its receiver before it.
func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	receiver := types.ExprString(f.Recv.List[0].Type)
	return strings.TrimPrefix(receiver, "*") + "." + f.Name.Name
}

// visitor finds the mutants of a function.
type visitor struct {
	pkg      *pkg
	info     *types.Info
	fset     *token.FileSet
	path     string
	function string
}

// opposite has the other operator of each comparison, boundary the one that treats equal values differently, and
// arithmetic the one that computes something else, with the helper that chooses between both.
var (
	opposite = map[token.Token]token.Token{
		token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.GEQ, token.GEQ: token.LSS, token.GTR: token.LEQ,
		token.LEQ: token.GTR,
	}
	boundary = map[token.Token]token.Token{
		token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	}
	arithmetic = map[token.Token]token.Token{
		token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
	}
	helpers = map[token.Token]string{
		token.LSS: "mutateLess", token.LEQ: "mutateMost", token.GTR: "mutateMore", token.GEQ: "mutateLeast",
		token.ADD: "mutateAdd", token.SUB: "mutateSub", token.MUL: "mutateMul", token.QUO: "mutateQuo",
		token.REM: "mutateRem",
	}
)

// visit finds the mutants of a node and those below it, and notes the edits that make them.
func (v *visitor) visit(root ast.Node) {
	var stack []ast.Node
	ast.Inspect(root, func(node ast.Node) bool {
		if node == nil {
			v.leave(stack[len(stack)-1])
			stack = stack[:len(stack)-1]
			return true
		}
		stack = append(stack, node)
		v.enter(node)
		return true
	})
}

func (v *visitor) offset(pos token.Pos) int { return v.fset.Position(pos).Offset }

func (v *visitor) add(pos token.Pos, node ast.Node, to token.Token) *mutant {
	from := strings.Join(strings.Fields(v.text(node)), " ")
	m := &mutant{
		id: len(v.pkg.mutants) + 1, file: v.path, line: v.fset.Position(pos).Line, function: v.function, from: from,
		to: to.String(),
	}
	v.pkg.mutants = append(v.pkg.mutants, m)
	return m
}

func (v *visitor) text(node ast.Node) string {
	return string(v.pkg.files[v.path].text[v.offset(node.Pos()):v.offset(node.End())])
}

func (v *visitor) insert(at token.Pos, text string) { v.replace(at, at, text) }

func (v *visitor) closing(at token.Pos, text string) {
	file := v.pkg.files[v.path]
	file.edits = append(file.edits, edit{v.offset(at), v.offset(at), text, true})
}

func (v *visitor) replace(from, to token.Pos, text string) {
	file := v.pkg.files[v.path]
	file.edits = append(file.edits, edit{start: v.offset(from), end: v.offset(to), text: text})
}

// basic returns the basic type under an expression's type, nil if it is another one.
func (v *visitor) basic(e ast.Expr) *types.Basic {
	t := v.info.TypeOf(e)
	if _, parameter := types.Unalias(t).(*types.TypeParam); parameter {
		return nil
	}
	b, _ := t.Underlying().(*types.Basic)
	return b
}

func (v *visitor) numeric(e ast.Expr) bool {
	b := v.basic(e)
	return b != nil && b.Info()&types.IsNumeric != 0
}

// constant reports whether an expression has a constant value.
func (v *visitor) constant(e ast.Expr) bool { return v.info.Types[e].Value != nil }

func (v *visitor) enter(node ast.Node) {
	switch n := node.(type) {
	case *ast.BinaryExpr:
		v.binary(n)
	case *ast.UnaryExpr:
		if n.Op == token.SUB && !v.constant(n) && v.numeric(n) {
			m := v.add(n.OpPos, n, token.ADD)
			v.replace(n.OpPos, n.OpPos+1, fmt.Sprintf("mutateNeg(%d, ", m.id))
		}
	case *ast.IncDecStmt:
		if !v.numeric(n.X) {
			return
		}
		to, sign := token.DEC, "+="
		if n.Tok == token.DEC {
			to, sign = token.INC, "-="
		}
		m := v.add(n.TokPos, n, to)
		v.replace(n.TokPos, n.TokPos+2, fmt.Sprintf(" %s mutateOne(%d, %s)", sign, m.id, v.text(n.X)))
	}
}

func (v *visitor) binary(n *ast.BinaryExpr) {
	other, arithmetical := arithmetic[n.Op]
	arithmetical = arithmetical && v.numeric(n)
	if v.constant(n) {
		if arithmetical {
			m := v.add(n.OpPos, n, other)
			start := v.offset(n.OpPos)
			m.constant = &edit{start: start, end: start + len(n.Op.String()), text: other.String()}
		}
		return
	}
	end := n.OpPos + token.Pos(len(n.Op.String()))
	if arithmetical {
		m := v.add(n.OpPos, n, other)
		v.insert(n.Pos(), fmt.Sprintf("%s(%d, ", helpers[n.Op], m.id))
		v.replace(n.OpPos, end, ", ")
	}
	if not, found := opposite[n.Op]; found && v.plainBool(n) {
		m := v.add(n.OpPos, n, not)
		v.insert(n.Pos(), fmt.Sprintf("mutateNot(%d, ", m.id))
	}
	if edge, found := boundary[n.Op]; found && v.basic(n.X) != nil {
		m := v.add(n.OpPos, n, edge)
		v.insert(n.Pos(), fmt.Sprintf("%s(%d, ", helpers[n.Op], m.id))
		v.replace(n.OpPos, end, ", ")
	}
}

// plainBool reports whether a comparison has the type bool.
func (v *visitor) plainBool(e ast.Expr) bool {
	t := v.info.TypeOf(e)
	return t == types.Typ[types.Bool] || t == types.Typ[types.UntypedBool]
}

func (v *visitor) leave(node ast.Node) {
	switch n := node.(type) {
	case *ast.BinaryExpr:
		if v.constant(n) {
			return
		}
		ends := 0
		if _, found := arithmetic[n.Op]; found && v.numeric(n) {
			ends++
		}
		if _, found := opposite[n.Op]; found && v.plainBool(n) {
			ends++
		}
		if _, found := boundary[n.Op]; found && v.basic(n.X) != nil {
			ends++
		}
		if ends > 0 {
			v.closing(n.End(), strings.Repeat(")", ends))
		}
	case *ast.UnaryExpr:
		if n.Op == token.SUB && !v.constant(n) && v.numeric(n) {
			v.closing(n.End(), ")")
		}
	}
}

// apply returns a text after edits. Those at one place are made in their order, first what closes there.
func apply(text []byte, edits []edit) []byte {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(x, y edit) int {
		switch {
		case x.start != y.start:
			return x.start - y.start
		case x.closes == y.closes:
			return 0
		case x.closes:
			return -1
		}
		return 1
	})
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(out, text[at:e.start]...)
		out = append(out, e.text...)
		at = e.end
	}
	return append(out, text[at:]...)
}

// helperCode chooses between the code as it is and its mutants. The number of the mutant is in the environment.
const helperCode = `package %s

import (
	"cmp"
	"os"
	"strconv"
)

var mutateThis, _ = strconv.Atoi(os.Getenv("MUTANT"))

type mutateInteger interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

type mutateNumber interface {
	mutateInteger | ~float32 | ~float64 | ~complex64 | ~complex128
}

func mutateNot(id int, v bool) bool { return v != (mutateThis == id) }

func mutateLess[T cmp.Ordered](id int, x, y T) bool {
	return x < y || mutateThis == id && x == y
}

func mutateMost[T cmp.Ordered](id int, x, y T) bool {
	return x < y || mutateThis != id && x == y
}

func mutateMore[T cmp.Ordered](id int, x, y T) bool {
	return x > y || mutateThis == id && x == y
}

func mutateLeast[T cmp.Ordered](id int, x, y T) bool {
	return x > y || mutateThis != id && x == y
}

func mutateAdd[T mutateNumber](id int, x, y T) T {
	if mutateThis == id {
		return x - y
	}
	return x + y
}

func mutateSub[T mutateNumber](id int, x, y T) T {
	if mutateThis == id {
		return x + y
	}
	return x - y
}

func mutateMul[T mutateNumber](id int, x, y T) T {
	if mutateThis == id {
		return x / y
	}
	return x * y
}

func mutateQuo[T mutateNumber](id int, x, y T) T {
	if mutateThis == id {
		return x * y
	}
	return x / y
}

func mutateRem[T mutateInteger](id int, x, y T) T {
	if mutateThis == id {
		return x * y
	}
	return x %% y
}

func mutateNeg[T mutateNumber](id int, x T) T {
	if mutateThis == id {
		return x
	}
	return -x
}

func mutateOne[T mutateNumber](id int, _ T) T {
	var one T = 1
	if mutateThis == id {
		return -one
	}
	return one
}
`
