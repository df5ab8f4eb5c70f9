package odoo

import (
	"io"
	"net/http"
	"strings"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// jsonBody reads a JSON-RPC request: its id, null when it has none, and its
// params. What is no JSON object is answered as recorded: 400 and a line of
// text.
func jsonBody(w http.ResponseWriter, r *http.Request) (id any, params *ordered.Map, ok bool) {
	text, _ := io.ReadAll(r.Body)
	v, err := ordered.Parse(text)
	body, isMap := v.(*ordered.Map)
	if err != nil || !isMap {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, "Invalid JSON data")
		return nil, nil, false
	}
	fromJSON(body)
	params, _ = body.Value("params").(*ordered.Map)
	if params == nil {
		params = &ordered.Map{}
	}
	return body.Value("id"), params, true
}

// writeJSON answers a JSON-RPC request: always 200.
func writeJSON(w http.ResponseWriter, id, result any, err error) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err != nil {
		code, message := int64(200), "Odoo Server Error"
		f := asFault(err)
		switch f.class {
		case "odoo.http.SessionExpiredException":
			code, message = 100, "Odoo Session Expired"
		case "werkzeug.exceptions.NotFound":
			code, message = 404, "404: Not Found"
		}
		w.Write(ordered.Python(ordered.Of("jsonrpc", "2.0", "id", id, "error", ordered.Of(
			"code", code, "message", message,
			"data", ordered.Of("name", f.class, "debug", f.debug(), "message", f.text,
				"arguments", []any{f.text}, "context", &ordered.Map{})))))
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(ordered.Python(ordered.Of("jsonrpc", "2.0", "id", id, "result", result)))
}

func (s *Server) jsonrpc(w http.ResponseWriter, r *http.Request) {
	id, params, ok := jsonBody(w, r)
	if !ok {
		return
	}
	absent := []string{}
	for _, name := range []string{"service", "method", "args"} {
		if !params.Has(name) {
			absent = append(absent, repr(name))
		}
	}
	if len(absent) > 0 {
		writeJSON(w, id, nil, typeError("RPC.jsonrpc() missing %s", positional(absent)))
		return
	}
	args, _ := params.Value("args").([]any)
	result, err := s.rpc(str(params.Value("service")), str(params.Value("method")), args)
	writeJSON(w, id, result, err)
}

// positional is Python's way to list missing arguments.
func positional(names []string) string {
	switch n := len(names); n {
	case 1:
		return "1 required positional argument: " + names[0]
	case 2:
		return "2 required positional arguments: " + names[0] + " and " + names[1]
	default:
		return "3 required positional arguments: " + strings.Join(names[:n-1], ", ") + ", and " + names[n-1]
	}
}
