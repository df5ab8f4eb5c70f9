package odoo

import (
	"io"
	"net/http"
	"strings"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// xmlrpc answers /xmlrpc/2/SERVICE, and /xmlrpc/SERVICE with old set: HTTP 200
// in every case.
func (s *Server) xmlrpc(w http.ResponseWriter, r *http.Request, service string, old bool) {
	text, _ := io.ReadAll(r.Body)
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\"?>\n<methodResponse>\n")
	head := b.String()
	method, args, err := parseCall(text)
	if err == nil {
		var result any
		if result, err = s.rpc(service, method, args); err == nil {
			b.WriteString("<params>\n<param>\n")
			err = appendXML(&b, result)
			b.WriteString("</param>\n</params>\n")
		}
	}
	if err != nil {
		b.Reset()
		b.WriteString(head)
		code, message := xmlFault(asFault(err), old)
		b.WriteString("<fault>\n")
		if err := appendXML(&b, ordered.Of("faultCode", code, "faultString", message)); err != nil {
			panic(err) // numbers and text always have a form
		}
		b.WriteString("</fault>\n")
	}
	b.WriteString("\n</methodResponse>\n")
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	io.WriteString(w, b.String())
}

// xmlFault is the fault code and text of an exception: a number and, for a
// fault in the program (1), the traceback; in version 1 a text as code.
// odoo/addons/base/controllers/rpc.py; warnings of version 1 are not recorded.
func xmlFault(f *fault, old bool) (code any, text string) {
	if old {
		name := strings.TrimPrefix(f.class, "odoo.exceptions.")
		switch {
		case f.is("AccessDenied"):
			return "AccessDenied", f.text
		case f.is("UserError", "ValidationError"):
			return "warning -- UserError\n\n" + f.text, ""
		case f.is("MissingError", "AccessError"):
			return "warning -- " + name + "\n\n" + f.text, ""
		}
		return f.text, f.debug()
	}
	switch {
	case f.is("UserError", "ValidationError", "MissingError"):
		return int64(2), f.text
	case f.is("AccessDenied"):
		return int64(3), f.text
	case f.is("AccessError"):
		return int64(4), f.text
	}
	return int64(1), f.debug()
}
