package engine

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/expr"
)

// digest names what parts say; equal digests mean that nothing has changed.
func digest(parts ...any) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, p := range parts {
		if err := enc.Encode(p); err != nil {
			fmt.Fprint(h, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// fillSettings gives n with every ${settings.X} filled in.
func fillSettings(n *bind.Node, c *expr.Compiler, values map[string]any) (*bind.Node, diag.List) {
	switch n.Kind {
	case bind.List, bind.Map:
		out := *n
		out.Items = make([]*bind.Node, len(n.Items))
		var errs diag.List
		for i, item := range n.Items {
			filled, e := fillSettings(item, c, values)
			out.Items[i] = filled
			errs.Add(e...)
		}
		return &out, errs
	case bind.String:
		if !strings.Contains(n.Text, "${") {
			return n, nil
		}
		t, errs := expr.NewText(n)
		if errs.Failed() {
			return n, errs
		}
		tpl, errs := c.Template(t, expr.InRoute)
		if errs.Failed() {
			return n, errs
		}
		v, err := tpl.Eval(context.Background(), &expr.Scope{Settings: values})
		if err != nil {
			return n, diag.List{diag.Errorf(n.Pos, "a source starts before there is a message, so only ${settings.X} is known here")}
		}
		f := bind.FromValue(v, n.Base)
		place(f, n)
		return f, nil
	}
	return n, nil
}

// place gives a computed value the place of its expression.
func place(n, of *bind.Node) {
	n.Pos, n.TextPos, n.Base = of.Pos, of.TextPos, of.Base
	for i := range n.Keys {
		n.Keys[i].Pos = of.Pos
	}
	for _, item := range n.Items {
		place(item, of)
	}
}

// engineSecret reads a secret from the folder that the engine document names, one file each.
func (l *loader) engineSecret(name string) (string, bool) {
	e := l.rs.Engine
	if e == nil || e.Secrets == "" {
		return "", false
	}
	return SecretFile(string(e.Secrets), name)
}

// SecretFile reads the secret of that name from a folder with a file for each; the last line end is not part of it.
func SecretFile(dir, name string) (string, bool) {
	if name == "" || strings.ContainsAny(name, `/\`) || name[0] == '.' {
		return "", false
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return "", false
	}
	return strings.TrimRight(string(b), "\r\n"), true
}

// hmac is the keyed hash of the expression languages: the key is a secret, named by the rule.
func (l *loader) hmac(keyName, s string) (string, error) {
	key, ok := l.secret(keyName)
	if !ok {
		return "", fmt.Errorf("there is no secret %q to hash with", keyName)
	}
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(s))
	return hex.EncodeToString(h.Sum(nil)), nil
}
