package hooks

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"stargate.io/stargate/policies/hooks/syntax"
	"stargate.io/stargate/policies/hooks/wire"
)

// Bounds of what is compiled in this process. The parser keeps its stack on the heap, but the compiler calls itself
// for what is nested and looks through all constants for each: a text within its bound on size could end the
// process by the one, and hold it up for seconds by the other.
const (
	maxTokens   = 50_000
	maxDistinct = 4_000
	maxNesting  = 400
)

// Compile checks a script as the worker will compile it. It runs nothing of it. The script is nil where there are
// problems.
func Compile(name, text string) (*Script, []Problem) {
	if len(text) > wire.MaxScript {
		return nil, []Problem{{Message: fmt.Sprintf("the script has %d bytes, more than %d: split it into hooks", len(text), wire.MaxScript)}}
	}
	if strings.ContainsRune(text, 0) {
		return nil, []Problem{{Message: "the script has a zero byte in it: save it as text"}}
	}
	chunk, problem := parsed(name, text)
	if problem != nil {
		return nil, []Problem{*problem}
	}
	if problem := compiled(name, chunk); problem != nil {
		return nil, []Problem{*problem}
	}
	if !defines(chunk, "run") {
		return nil, []Problem{{Message: "the script defines no function run(ctx): what it does goes into `function run(ctx) … return ctx.done() end`"}}
	}
	sum := sha256.Sum256([]byte(text))
	return &Script{Name: name, Text: text, Hash: hex.EncodeToString(sum[:])}, nil
}

// parsed gives the syntax tree of a text within the bounds.
func parsed(name, text string) (chunk []ast.Stmt, problem *Problem) {
	if problem := scanned(name, text); problem != nil {
		return nil, problem
	}
	chunk, err := parse.Parse(strings.NewReader(text), name)
	if err != nil {
		return nil, syntaxProblem(err)
	}
	if line := syntax.TooDeep(chunk, maxNesting); line > 0 {
		return nil, &Problem{Line: line, Message: fmt.Sprintf("nested deeper than %d levels: give parts of it names with local", maxNesting)}
	}
	return chunk, nil
}

// compiled tells what the compiler has against a tree.
func compiled(name string, chunk []ast.Stmt) (problem *Problem) {
	defer func() {
		if p := recover(); p != nil {
			problem = &Problem{Message: fmt.Sprintf("the compiler does not take it: %v", p)}
		}
	}()
	if _, err := lua.Compile(chunk, name); err != nil {
		var cerr *lua.CompileError
		if errors.As(err, &cerr) {
			line := cerr.Line
			if _, at, found := strings.Cut(cerr.Message, "<goto> at line "); found {
				line, _ = strconv.Atoi(at) // the compiler's own line is that of the function's end
			}
			return &Problem{Line: line, Message: mended(cerr.Message)}
		}
		return &Problem{Message: err.Error()}
	}
	return nil
}

// scanned bounds the tokens of a text, and brackets and blocks that are open at once.
func scanned(name, text string) (problem *Problem) {
	defer func() {
		if p := recover(); p != nil {
			problem = &Problem{Message: fmt.Sprintf("it cannot be read: %v", p)}
		}
	}()
	scanner, lexer := parse.NewScanner(strings.NewReader(text), name), &parse.Lexer{}
	open, distinct := 0, map[string]bool{}
	for tokens := 0; ; tokens++ {
		token, err := scanner.Scan(lexer)
		if err != nil {
			return syntaxProblem(err)
		}
		lexer.PrevTokenType = token.Type
		switch token.Type {
		case parse.EOF:
			return nil
		case '(', '{', '[', parse.TFunction, parse.TDo, parse.TThen, parse.TRepeat:
			open++
		case ')', '}', ']', parse.TEnd, parse.TUntil, parse.TElseIf:
			open--
		case parse.TIdent, parse.TString, parse.TNumber:
			distinct[token.Str] = true
		}
		if at := token.Pos; open > 4*maxNesting || tokens > maxTokens || len(distinct) > maxDistinct {
			return &Problem{Line: at.Line, Column: at.Column, Message: fmt.Sprintf(
				"the script is too large: it may have %d words and signs, %d different names and constants, and little nesting; split it into hooks", maxTokens, maxDistinct)}
		}
	}
}

func syntaxProblem(err error) *Problem {
	var api *lua.ApiError
	if errors.As(err, &api) && api.Cause != nil {
		err = api.Cause
	}
	var perr *parse.Error
	if !errors.As(err, &perr) {
		return &Problem{Message: err.Error()}
	}
	near := ""
	if perr.Token != "" {
		near = fmt.Sprintf(" near %q", clipped(perr.Token, 40))
	}
	if perr.Pos.Line == parse.EOF {
		return &Problem{Message: "the script ends too early: an end, a bracket or a quote is missing"}
	}
	line := perr.Pos.Line
	if perr.Pos.Column == 0 && line > 1 {
		line-- // it was read up to the end of the line before
	}
	return &Problem{Line: line, Column: perr.Pos.Column, Message: mended(perr.Message + near)}
}

// mends of what people who write other languages type.
var mends = []struct{ in, mend string }{
	{`near "!"`, `: "not equal" is ~= and "not" is not`},
	{`near "!="`, `: "not equal" is ~=`},
	{`near "&"`, `: "and" is and`},
	{`near "|"`, `: "or" is or`},
	{`near "="`, `: in a condition, "equal" is ==; += and the like are x = x + 1`},
	{`near "+"`, `: x += 1 is x = x + 1`},
	{`near "-"`, `: x -= 1 is x = x - 1`},
	{`near "return"`, `: return is the last of its block, and blocks begin with then or do, not with {`},
	{`near "else"`, `: "else if" is elseif`},
	{`near "}"`, `: blocks end with end`},
	{`near "{"`, `: blocks begin with then or do and end with end`},
	{"unterminated string", `: put the quote where the string ends; [[…]] may have several lines`},
	{"no visible label", `: there is no continue; put ::name:: where goto name is to go`},
}

func mended(message string) string {
	message = strings.TrimSpace(message)
	for _, m := range mends {
		if strings.Contains(message, m.in) {
			return message + m.mend
		}
	}
	return message
}

// defines tells whether a script gives the global name a value, at its outermost level or in a block there.
func defines(chunk []ast.Stmt, name string) bool {
	for _, statement := range chunk {
		switch s := statement.(type) {
		case *ast.FuncDefStmt:
			if s.Name != nil && s.Name.Method == "" && isName(s.Name.Func, name) {
				return true
			}
		case *ast.AssignStmt:
			for _, left := range s.Lhs {
				if isName(left, name) {
					return true
				}
			}
		}
	}
	return false
}

func isName(expression ast.Expr, name string) bool {
	ident, ok := expression.(*ast.IdentExpr)
	return ok && ident.Value == name
}

// Lines of a script that have statements, each once; for what tests cover.
func (s *Script) Lines() []int {
	chunk, problem := parsed(s.Name, s.Text)
	if problem != nil {
		return nil
	}
	return syntax.Lines(chunk)
}

// clipped text of at most so many bytes.
func clipped(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}
