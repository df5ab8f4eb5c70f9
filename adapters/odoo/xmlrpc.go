package odoo

import (
	"bytes"
	"context"

	"github.com/njia-health/njia/engine/fault"
)

// xmlrpc is POST /xmlrpc/2/common and /xmlrpc/2/object. A fault is HTTP 200 too.
type xmlrpc struct{ *client }

func (x xmlrpc) login(ctx context.Context) (int, error) {
	user, secret := x.s.Auth.login()
	v, err := x.send(ctx, "log in", false, "common", "authenticate", []any{x.s.Database, user, secret, map[string]any{}})
	if err != nil {
		return 0, err
	}
	return loggedIn(x.s, v)
}

func (x xmlrpc) call(ctx context.Context, uid int, c call) (any, error) {
	_, secret := x.s.Auth.login()
	return x.send(ctx, c.what(), c.writes, "object", "execute_kw",
		[]any{x.s.Database, uid, secret, c.model, c.method, c.positional(), orEmpty(c.kwargs)})
}

func (x xmlrpc) send(ctx context.Context, what string, writes bool, service, method string, args []any) (any, error) {
	body, err := encodeXML(method, args)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: %v", what, err)
	}
	r, err := x.wire.post(ctx, what, writes, x.s.URL+"/xmlrpc/2/"+service, "text/xml", nil, body)
	if err != nil {
		return nil, err
	}
	return readXML(what, writes, r)
}

// readXML gives the value in an answer, or its fault with a class.
func readXML(what string, writes bool, r reply) (any, error) {
	if r.status != 200 || !bytes.Contains(r.body[:min(len(r.body), 512)], []byte("<methodResponse")) {
		return nil, r.odd(what, writes)
	}
	v, flt, err := decodeXML(r.body)
	if err != nil {
		return nil, lost(what, writes, err)
	}
	if flt != nil {
		return nil, faultXML(what, r, flt)
	}
	return v, nil
}

// faultXML gives a fault its class: a number in version 2, and in version 1 the name of an exception with its text.
//
//	1  the program failed: the text is a Python traceback
//	2  UserError, ValidationError, MissingError
//	3  AccessDenied
//	4  AccessError
func faultXML(what string, r reply, flt map[string]any) error {
	text, _ := flt["faultString"].(string)
	name := ""
	switch code := flt["faultCode"].(type) {
	case int:
		switch code {
		case 2:
			name = "UserError"
		case 3:
			name = "AccessDenied"
		case 4:
			name = "AccessError"
		default:
			name, text = exceptionLine(text)
		}
	case string: // "AccessDenied", or "warning -- UserError\n\ntext"
		name, text = oldFault(code, text)
	}
	return refusal(what, r, 0, name, text)
}
