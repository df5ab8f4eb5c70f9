package expr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/itchyny/gojq"

	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/message"
)

// jqLoader finds what a program imports, checks it, and hands it to the compiler.
type jqLoader struct {
	mu      sync.Mutex // one compiles at a time
	c       *Compiler
	w       Where
	modules map[string]*jqModule // by file
	data    map[string]any       // by file
	errs    diag.List
	tracing *jqTrace // nil: the program runs as it is
	src     string   // of the program
	used    map[*gojq.FuncDef]bool
}

// jqModule is a module file.
type jqModule struct {
	query   *gojq.Query
	exports []string // name/arity
}

// jqImported are the names that imports bring.
type jqImported struct {
	funcs []string // alias::name/arity, name/arity of an include
	vars  []string // $alias, $alias::alias
}

// imports resolves the imports of q, which stands in t in folder dir, and writes the file of each into q. files are those that
// are being read, from the first on.
func (l *jqLoader) imports(q *gojq.Query, t Text, dir string, files []string) jqImported {
	var out jqImported
	places := importPlaces(t.Src)
	for i, imp := range q.Imports {
		at := jqToken{}
		if i < len(places) {
			at = places[i]
		}
		name := imp.ImportPath + imp.IncludePath
		imp.Meta = nil
		if strings.HasPrefix(imp.ImportAlias, "$") {
			if file, ok := l.readData(t, at, dir, name); ok {
				imp.ImportPath = file
			}
			out.vars = append(out.vars, imp.ImportAlias, imp.ImportAlias+"::"+imp.ImportAlias[1:])
			continue
		}
		file, m := l.readModule(t, at, dir, name, files)
		if m == nil {
			out.funcs = append(out.funcs, imp.ImportAlias+"::*") // one error is enough
			continue
		}
		if imp.IncludePath != "" {
			imp.IncludePath = file
			out.funcs = append(out.funcs, m.exports...)
			continue
		}
		imp.ImportPath = file
		for _, f := range m.exports {
			out.funcs = append(out.funcs, imp.ImportAlias+"::"+f)
		}
	}
	return out
}

// importPlaces are the paths of imports, in order.
func importPlaces(src string) []jqToken {
	var out []jqToken
	tokens := jqTokens(src)
	for i, t := range tokens {
		if t.kind == jqWord && (t.text == "import" || t.text == "include") && i+1 < len(tokens) {
			out = append(out, tokens[i+1])
		}
	}
	return out
}

// fhirFile is the name of the module that is built in.
const fhirFile = "the built-in module fhir"

func (l *jqLoader) find(dir, name string) ([]byte, string, bool) {
	if l.c.opts.Module != nil {
		if src, file, ok := l.c.opts.Module(dir, name); ok {
			return src, file, true
		}
	}
	if name == "fhir" {
		return []byte(fhirModule()), fhirFile, true
	}
	return nil, "", false
}

func (l *jqLoader) readModule(t Text, at jqToken, dir, name string, files []string) (string, *jqModule) {
	src, file, ok := l.find(dir, name)
	switch {
	case !ok:
		e := t.errorf(at.at, at.end-at.at, "there is no jq module %q", name)
		e.Hint = "a module is the file " + strings.TrimSuffix(name, ".jq") + ".jq in the folder of this document, in its lib folder, or in one above"
		if strings.HasSuffix(name, ".jq") {
			e.Hint = "leave the .jq out: import \"" + strings.TrimSuffix(name, ".jq") + "\""
		}
		l.errs.Add(e)
		return "", nil
	case strings.HasSuffix(file, ".json"):
		l.errs.Add(t.errorf(at.at, at.end-at.at, "%s is data, not a module", file).WithHint(`import it as a variable: import %q as $%s;`, name, path.Base(name)))
		return "", nil
	}
	if i := slices.Index(files, file); i >= 0 {
		chain := append(slices.Clone(files[i:]), file)
		l.errs.Add(t.errorf(at.at, at.end-at.at, "modules import each other in a circle: %s", strings.Join(chain, " → ")).
			WithHint("move what both need into a third module"))
		return "", nil
	}
	if m := l.modules[file]; m != nil {
		return file, m
	}
	m := &jqModule{}
	mt := Text{Src: string(src), Pos: diag.Pos{File: file, Line: 1, Col: 1}, Indent: 1}
	q, ok := l.parseModule(mt)
	if !ok {
		l.modules[file] = nil
		return "", nil
	}
	m.query = q
	imported := l.imports(q, mt, path.Dir(file), append(slices.Clone(files), file))
	if file != fhirFile {
		places := l.check(q, mt, imported, false)
		defer func() { l.trace(q, mt, places) }() // after the bounds are in
	}
	for _, f := range q.FuncDefs {
		m.exports = append(m.exports, signature(f.Name, len(f.Args)))
	}
	for _, f := range imported.funcs {
		if !strings.Contains(f, "::") {
			m.exports = append(m.exports, f)
		}
	}
	bound(q)
	l.modules[file] = m
	return file, m
}

// parseModule reads a module file: definitions, and nothing to run.
func (l *jqLoader) parseModule(t Text) (*gojq.Query, bool) {
	if strings.TrimSpace(t.Src) == "" {
		return &gojq.Query{}, true
	}
	q, e, ok := parseJQ(t)
	if !ok {
		l.errs.Add(e)
		return nil, false
	}
	if q.Term != nil || q.Op != 0 {
		l.errs.Add(t.errorf(0, 1, "a module holds definitions only, this has a program too").WithHint("give the program a name: def main: …;"))
		return nil, false
	}
	return q, true
}

func (l *jqLoader) readData(t Text, at jqToken, dir, name string) (string, bool) {
	src, file, ok := l.find(dir, name)
	if !ok || file == fhirFile {
		l.errs.Add(t.errorf(at.at, at.end-at.at, "there is no JSON data %q", name).
			WithHint("it is the file %s.json in the folder of this document, in its lib folder, or in one above", strings.TrimSuffix(name, ".json")))
		return "", false
	}
	if !strings.HasSuffix(file, ".json") {
		l.errs.Add(t.errorf(at.at, at.end-at.at, "%s is a module, not data", file).WithHint("import it without the $: import %q as %s;", name, path.Base(name)))
		return "", false
	}
	if _, ok := l.data[file]; ok {
		return file, true
	}
	values, err := decodeAll(src)
	if err != nil {
		l.errs.Add(jsonError(file, err))
		return "", false
	}
	l.data[file] = values
	return file, true
}

// decodeAll reads the JSON documents of a file: a variable of jq's import is a list of them.
func decodeAll(src []byte) ([]any, error) {
	if v, err := message.Decode(src); err == nil {
		return []any{v}, nil
	}
	out := []any{}
	d := json.NewDecoder(bytes.NewReader(src))
	for {
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			_, err = message.Decode(src)
			return nil, err
		}
		v, err := message.Decode(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

func jsonError(file string, err error) diag.Error {
	pos := diag.Pos{File: file, Line: 1, Col: 1}
	var syn *message.SyntaxError
	if errors.As(err, &syn) {
		pos.Line, pos.Col = syn.Line, syn.Column
		return diag.Errorf(pos, "this file is not JSON: %s", syn.Reason)
	}
	return diag.Errorf(pos, "this file is not JSON")
}

// LoadInitModules gives the definitions that every program has.
func (l *jqLoader) LoadInitModules() ([]*gojq.Query, error) {
	q, err := gojq.Parse(preamble)
	return []*gojq.Query{q}, err
}

// LoadModule gives a module that imports found.
func (l *jqLoader) LoadModule(file string) (*gojq.Query, error) {
	m := l.modules[file]
	if m == nil {
		return nil, fmt.Errorf("there is no module %q", file)
	}
	if l.used == nil {
		l.used = l.reach()
	}
	q := *m.query
	q.FuncDefs = nil
	for _, f := range m.query.FuncDefs {
		if l.used[f] {
			q.FuncDefs = append(q.FuncDefs, f)
		}
	}
	m.query = &q // the rest is not kept in memory either
	return &q, nil
}

// reach finds the definitions of modules that the program can need: those whose names stand in it, or in others that it can
// need. The compiler keeps all that it is given, for every program anew, and modules are large where programs are small.
func (l *jqLoader) reach() map[*gojq.FuncDef]bool {
	words := map[string]bool{}
	add := func(src string) {
		for _, w := range jqName.FindAllString(src, -1) {
			words[w] = true
		}
	}
	add(l.src)
	used := map[*gojq.FuncDef]bool{}
	for more := true; more; {
		more = false
		for _, m := range l.modules {
			if m == nil {
				continue
			}
			for _, f := range m.query.FuncDefs {
				if words[f.Name] && !used[f] {
					used[f], more = true, true
					add(f.String())
				}
			}
		}
	}
	return used
}

// jqName is a name without the alias of its module.
var jqName = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

// LoadJSON gives data that imports found.
func (l *jqLoader) LoadJSON(file string) (any, error) {
	if v, ok := l.data[file]; ok {
		return v, nil
	}
	return nil, fmt.Errorf("there is no data %q", file)
}

// preamble is what gojq lacks of jq 1.8, and a now that is the message's time.
const preamble = `
def now: $meta | _njia_now;
def toarray: if type == "array" then . else [.] end;
def have_decnum: false;
def have_literal_numbers: true;
def debug: .;
def debug(m): .;
def input_line_number: 0;
`

func signature(name string, arity int) string { return fmt.Sprintf("%s/%d", name, arity) }
