package expr

import (
	"regexp"
	"strings"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Static gives n with every ${env.X} and ${secret.X} filled in; ${env.X ?? "default"} gives a default. Places stay. It is for
// engine and system documents: there is no message yet, so nothing else can stand there. The values are text.
func Static(n *bind.Node, env, secret func(name string) (string, bool)) (*bind.Node, diag.List) {
	if n == nil {
		return nil, nil
	}
	switch n.Kind {
	case bind.List, bind.Map:
		out := *n
		out.Items = make([]*bind.Node, len(n.Items))
		var errs diag.List
		for i, item := range n.Items {
			filled, e := Static(item, env, secret)
			out.Items[i] = filled
			errs.Add(e...)
		}
		return &out, errs
	case bind.String:
		if strings.Contains(n.Text, "${") {
			return staticText(n, env, secret)
		}
	}
	return n, nil
}

// staticHole is what may stand in a ${…} of an engine or system document.
var staticHole = regexp.MustCompile(`^\s*(env|secret)(?:\.([A-Za-z_][A-Za-z0-9_-]*)|\[(?:"([^"\\]+)"|'([^'\\]+)')\])\s*(?:\?\?\s*(?:"([^"\\]*)"|'([^'\\]*)')\s*)?$`)

func staticText(n *bind.Node, env, secret func(string) (string, bool)) (*bind.Node, diag.List) {
	t, errs := NewText(n)
	if errs.Failed() {
		return n, errs
	}
	cut, errs := pieces(t)
	var b strings.Builder
	for _, p := range cut {
		if !p.expr {
			b.WriteString(p.text)
			continue
		}
		v, e := staticValue(t, p, env, secret)
		errs.Add(e...)
		b.WriteString(v)
	}
	out := *n
	out.Text, out.Exact = b.String(), false // what a secret holds is never shown
	return &out, errs
}

func staticValue(t Text, p piece, env, secret func(string) (string, bool)) (string, diag.List) {
	m := staticHole.FindStringSubmatch(p.text)
	if m == nil {
		return "", diag.List{staticWrong(t, p)}
	}
	name := m[2] + m[3] + m[4]
	get, hint := env, "set the environment variable "+name+` where the engine starts, or give a default: ${env.`+name+` ?? "…"}`
	if m[1] == "secret" {
		get, hint = secret, "set the environment variable "+SecretVariable(name)+", or put a file called "+name+" into the secrets folder"
	}
	if get != nil {
		if v, ok := get(name); ok {
			return v, nil
		}
	}
	if strings.Contains(p.text, "??") {
		return m[5] + m[6], nil
	}
	what := map[string]string{"env": "the environment variable " + name + " is not set", "secret": "there is no secret " + name}[m[1]]
	lead := len(p.text) - len(strings.TrimLeft(p.text, " "))
	return "", diag.List{t.errorf(p.at+lead, len(strings.TrimSpace(p.text)), "%s", what).WithHint("%s", hint)}
}

// staticWrong says what is wrong with a ${…} that is neither an environment variable nor a secret.
func staticWrong(t Text, p piece) diag.Error {
	lead := len(p.text) - len(strings.TrimLeft(p.text, " "))
	at, text := p.at+lead, strings.TrimSpace(p.text)
	word := wordAt(text, 0)
	switch word {
	case "body", "headers", "meta", "vars", "now", "error", "status":
		return t.errorf(at, len(word), "there is no message here, so there is no %s", word).WithHint("engine and system documents know ${env.X} and ${secret.X}; what depends on a message belongs into a route")
	case "settings":
		return t.errorf(at, len(word), "engine and system documents have no settings").WithHint("they know ${env.X} and ${secret.X}")
	case "env", "secret":
		return t.errorf(at, len(text), "this is not the name of %s", map[string]string{"env": "an environment variable", "secret": "a secret"}[word]).
			WithHint(`write ${%s.NAME}, with a default ${%s.NAME ?? "…"}`, word, word)
	}
	e := t.errorf(at, max(len(word), 1), "engine and system documents know ${env.X} and ${secret.X} only")
	if near := diag.Nearest(word, []string{"env", "secret"}); near != "" {
		e.Hint = "did you mean " + near + "?"
	}
	return e
}

// SecretVariable is the environment variable that holds a secret: NJIA_SECRET_ and its name in capitals, with _ for every sign
// that such a name cannot have.
func SecretVariable(name string) string {
	return "NJIA_SECRET_" + strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}
