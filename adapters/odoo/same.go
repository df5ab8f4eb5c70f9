package odoo

import (
	"encoding/json"
	"html"
	"math/big"
)

// same says whether a record's field, as read, is already what is wanted. Odoo reads an empty field as false, a many2one as
// [id, name] and an x2many as a list of ids.
func same(want, have any) bool {
	if empty(want) && empty(have) {
		return true
	}
	switch h := have.(type) {
	case bool:
		w, ok := want.(bool)
		return ok && w == h
	case string:
		w, ok := want.(string)
		// An HTML field wraps plain text in a paragraph. [odoo: tools/mail.py, html_sanitize]
		return ok && (w == h || h == "<p>"+html.EscapeString(w)+"</p>" || h == "<p>"+w+"</p>")
	case int, json.Number, float64:
		return equalNumbers(want, have)
	case []any:
		return sameList(want, h)
	}
	return false
}

// empty says that v is what Odoo calls no value. A boolean's false and a number's 0 are the same as no value to Odoo.
func empty(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case bool:
		return !x
	case string:
		return x == ""
	case []any:
		return len(x) == 0
	}
	n, ok := rational(v)
	return ok && n.Sign() == 0
}

func rational(v any) (*big.Rat, bool) {
	switch x := v.(type) {
	case int:
		return new(big.Rat).SetInt64(int64(x)), true
	case json.Number:
		if len(x) > 64 { // an exponent such as 1e999999999 takes for ever
			return nil, false
		}
		if f, err := x.Float64(); err != nil || f > 1e18 || f < -1e18 {
			return nil, false
		}
		return new(big.Rat).SetString(string(x))
	case float64:
		r := new(big.Rat)
		return r, r.SetFloat64(x) != nil
	}
	return nil, false
}

func equalNumbers(a, b any) bool {
	x, ok1 := rational(a)
	y, ok2 := rational(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}

// sameList compares with a many2one as read, [id, name], or with the ids of an x2many.
func sameList(want any, have []any) bool {
	if len(have) == 2 {
		if _, isName := have[1].(string); isName {
			if w, ok := want.([]any); ok && len(w) == 2 {
				want = w[0]
			}
			return equalNumbers(want, have[0])
		}
	}
	w, ok := want.([]any)
	if !ok {
		return false
	}
	ids := map[int]bool{}
	for _, id := range have {
		n, ok := id.(int)
		if !ok {
			return false
		}
		ids[n] = true
	}
	if plain(w) {
		return sameIDs(w, ids)
	}
	for _, item := range w {
		if !satisfied(item, ids) {
			return false
		}
	}
	return true
}

func plain(list []any) bool {
	for _, v := range list {
		if _, ok := v.(int); !ok {
			return false
		}
	}
	return true
}

func sameIDs(want []any, have map[int]bool) bool {
	seen := map[int]bool{}
	for _, v := range want {
		n, ok := v.(int)
		if !ok || !have[n] {
			return false
		}
		seen[n] = true
	}
	return len(seen) == len(have)
}

// satisfied says that an x2many command would change nothing. [odoo: odoo/fields.py, Command]
func satisfied(item any, have map[int]bool) bool {
	cmd, ok := item.([]any)
	if !ok || len(cmd) == 0 {
		return false
	}
	code, _ := cmd[0].(int)
	id := 0
	if len(cmd) > 1 {
		id, _ = cmd[1].(int)
	}
	switch code {
	case 2, 3: // delete, unlink
		return !have[id]
	case 4: // link
		return have[id]
	case 5: // clear
		return len(have) == 0
	case 6: // set
		if len(cmd) > 2 {
			list, ok := cmd[2].([]any)
			return ok && sameIDs(list, have)
		}
	}
	return false
}
