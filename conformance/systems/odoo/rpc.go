package odoo

import (
	"strconv"
	"strings"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// rpc does a call of one of the services behind /jsonrpc and /xmlrpc.
func (s *Server) rpc(service, method string, args []any) (any, error) {
	switch service {
	case "common":
		return s.common(method, args)
	case "object":
		return s.object(method, args)
	case "db":
		if method == "list" {
			return []any{s.opts.Database}, nil
		}
		return nil, keyError("exp_" + method)
	}
	return nil, keyError(service)
}

func (s *Server) common(method string, args []any) (any, error) {
	switch method {
	case "version":
		return s.version(), nil
	case "about":
		return "See http://openerp.com", nil
	case "login", "authenticate":
		if len(args) < 3 {
			return nil, typeError("exp_%s() missing %d required positional arguments", method, 3-len(args))
		}
		if args[0] != s.opts.Database {
			return nil, noDatabase(str(args[0]))
		}
		if u := s.login(str(args[1]), str(args[2])); u != nil {
			return u.id, nil
		}
		return false, nil
	}
	return nil, &fault{"builtins.Exception", "Method not found: " + method}
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

// version is what common.version says: 18.0 is [18, 0, 0, "final", 0, ""].
func (s *Server) version() *ordered.Map {
	major, minor, _ := strings.Cut(s.opts.Version, ".")
	a, _ := strconv.ParseInt(major, 10, 64)
	b, _ := strconv.ParseInt(minor, 10, 64)
	return ordered.Of(
		"server_version", s.opts.Version,
		"server_version_info", []any{a, b, int64(0), "final", int64(0), ""},
		"server_serie", s.opts.Version,
		"protocol_version", int64(1))
}

// object does execute_kw and execute, whose arguments are not in a list.
func (s *Server) object(method string, args []any) (any, error) {
	if method != "execute" && method != "execute_kw" {
		return nil, &fault{"builtins.NameError", "Method not available " + method}
	}
	if len(args) < 5 {
		return nil, typeError("%s() missing %d required positional arguments", method, 5-len(args))
	}
	if args[0] != s.opts.Database {
		return nil, noDatabase(str(args[0]))
	}
	id, _ := asInt(args[1])
	u := s.user(id, str(args[2]))
	if u == nil {
		return nil, accessDenied()
	}
	positional, kwargs := args[5:], &ordered.Map{}
	if method == "execute_kw" {
		positional = nil
		if len(args) > 5 {
			list, ok := args[5].([]any)
			if !ok {
				return nil, typeError("odoo.service.model.execute() argument after * must be an iterable, not %s", pyType(args[5]))
			}
			positional = list
		}
		if len(args) > 6 {
			if kw, ok := args[6].(*ordered.Map); ok {
				kwargs = kw
			}
		}
	}
	return s.call(u, str(args[3]), str(args[4]), positional, kwargs)
}
