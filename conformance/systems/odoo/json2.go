package odoo

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// json2 answers POST /json/2/MODEL/METHOD of Odoo 19: the body is the named
// arguments with ids and context, the answer the bare value, an error has a
// real status. No recording: it follows addons/rpc/controllers/json2.py,
// odoo/http.py (Json2Dispatcher) and the example in Odoo's documentation.
func (s *Server) json2(w http.ResponseWriter, r *http.Request, path string) {
	model, name, ok := strings.Cut(path, "/")
	if !ok || strings.Contains(name, "/") || r.Method != http.MethodPost {
		httpError(w, http.StatusNotFound, "Did you mean POST /json/2/<model>/<method>?")
		return
	}
	u, problem := s.bearer(r)
	if problem != "" {
		w.Header().Set("WWW-Authenticate", "bearer")
		httpError(w, http.StatusUnauthorized, problem)
		return
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		httpError(w, http.StatusUnsupportedMediaType, "Request inferred type is compatible with json2 but the content type is not application/json")
		return
	}
	text, _ := io.ReadAll(r.Body)
	body, err := ordered.Parse(text)
	kwargs, isMap := body.(*ordered.Map)
	if err != nil || !isMap {
		httpError(w, http.StatusBadRequest, "could not parse the body as json")
		return
	}
	fromJSON(kwargs)
	result, status, err := s.callJSON2(u, model, name, kwargs)
	switch {
	case status != 0:
		httpError(w, status, err.Error())
	case err != nil:
		writeFault(w, asFault(err))
	default:
		writeValue(w, result)
	}
}

// writeValue answers with a bare JSON value.
func writeValue(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Write(ordered.Python(v))
}

// bearer finds the user of a key, or says what is wrong.
func (s *Server) bearer(r *http.Request) (u *user, problem string) {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") || key == "" {
		return nil, "User not authenticated, use an API Key with a Bearer Authorization header."
	}
	if db := r.Header.Get("X-Odoo-Database"); db != "" && db != s.opts.Database {
		return nil, "Invalid apikey"
	}
	if u = s.byKey(strings.TrimSpace(key)); u == nil {
		return nil, "Invalid apikey"
	}
	return u, ""
}

// callJSON2 gives a status when the fault is one of HTTP and not of Odoo.
func (s *Server) callJSON2(u *user, modelName, name string, kwargs *ordered.Map) (result any, status int, err error) {
	m := s.models[modelName]
	if m == nil {
		return nil, http.StatusNotFound, fmt.Errorf("the model %s does not exist", repr(modelName))
	}
	if strings.HasPrefix(name, "_") {
		return nil, 0, accessError("Private methods (such as '%s.%s') cannot be called remotely.", modelName, name)
	}
	if f := s.refused(modelName, name); f != nil {
		return nil, 0, f
	}
	do, err := s.method(m, name)
	if err != nil {
		return nil, http.StatusNotFound, fmt.Errorf("%s", asFault(err).text)
	}
	ids := idsOf(kwargs.Value("ids"))
	if do.onModel && len(ids) > 0 {
		return nil, http.StatusUnprocessableEntity, fmt.Errorf("cannot call %s.%s with ids", modelName, name)
	}
	ctx, _ := kwargs.Value("context").(*ordered.Map)
	kwargs.Delete("ids")
	kwargs.Delete("context")
	bound, err := do.bind(name, nil, kwargs)
	if err != nil {
		_, text, _ := strings.Cut(asFault(err).text, "() ")
		return nil, http.StatusUnprocessableEntity, fmt.Errorf("%s", text)
	}
	if name == "create" { // a recordset is answered as its ids
		if _, one := bound["vals_list"].(*ordered.Map); one {
			bound["vals_list"] = []any{bound["vals_list"]}
		}
	}
	result, err = s.run(u, ctx, m, do, ids, bound)
	return result, 0, err
}

// writeFault answers an exception with the http_status of its class.
func writeFault(w http.ResponseWriter, f *fault) {
	status := http.StatusInternalServerError
	switch {
	case f.is("AccessDenied", "AccessError"):
		status = http.StatusForbidden
	case f.is("MissingError"):
		status = http.StatusNotFound
	case f.is("UserError", "ValidationError"):
		status = http.StatusUnprocessableEntity
	}
	writeJSON2Error(w, status, f.class, f.text, []any{f.text}, f.debug())
}

func httpError(w http.ResponseWriter, status int, text string) {
	name := map[int]string{
		http.StatusBadRequest: "BadRequest", http.StatusUnauthorized: "Unauthorized", http.StatusNotFound: "NotFound",
		http.StatusUnsupportedMediaType: "UnsupportedMediaType", http.StatusUnprocessableEntity: "UnprocessableEntity",
	}[status]
	f := &fault{"werkzeug.exceptions." + name, fmt.Sprintf("%d %s: %s", status, http.StatusText(status), text)}
	writeJSON2Error(w, status, f.class, text, []any{text, int64(status)}, f.debug())
}

func writeJSON2Error(w http.ResponseWriter, status int, name, message string, arguments []any, debug string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(ordered.Python(ordered.Of(
		"name", name, "message", message, "arguments", arguments, "context", &ordered.Map{}, "debug", debug)))
}
