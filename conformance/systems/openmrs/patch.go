package openmrs

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// patch answers PATCH with a JSON Patch (RFC 6902) or a merge patch (RFC 7396).
func (s *Server) patch(w http.ResponseWriter, r *http.Request, typ, id string) {
	old := s.records[key{typ, id}]
	switch {
	case old == nil || old.hidden:
		notKnown(w, typ, id)
		return
	case old.voided:
		gone(w, typ, id)
		return
	case !s.matches(w, r, old):
		return
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	change, err := ordered.Parse(text)
	if err != nil {
		outcome(w, http.StatusBadRequest, "Failed to parse patch: "+err.Error())
		return
	}
	body := old.body.Clone()
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch media {
	case "application/json-patch+json":
		err = jsonPatch(body, change)
	case "application/merge-patch+json":
		mergePatch(body, change)
	default:
		outcome(w, http.StatusBadRequest, "Invalid Content-Type for PATCH operation: "+media)
		return
	}
	if err != nil {
		outcome(w, http.StatusBadRequest, err.Error())
		return
	}
	s.updated(w, old, body)
}

func mergePatch(m *ordered.Map, change any) {
	with, _ := change.(*ordered.Map)
	if with == nil {
		return
	}
	for _, k := range with.Keys() {
		switch v := with.Value(k).(type) {
		case nil:
			m.Delete(k)
		case *ordered.Map:
			sub, _ := m.Value(k).(*ordered.Map)
			if sub == nil {
				sub = &ordered.Map{}
			}
			mergePatch(sub, v)
			m.Set(k, sub)
		default:
			m.Set(k, v)
		}
	}
}

// jsonPatch does add, replace, remove and test. It may change m and then fail:
// the caller gives a copy.
func jsonPatch(m *ordered.Map, change any) error {
	ops, ok := change.([]any)
	if !ok {
		return fmt.Errorf("a JSON Patch is a list of operations")
	}
	for i, o := range ops {
		op, _ := o.(*ordered.Map)
		if op == nil {
			return fmt.Errorf("operation %d is no object", i)
		}
		path, _ := op.Value("path").(string)
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("operation %d: path %q does not start with /", i, path)
		}
		name, _ := op.Value("op").(string)
		if _, err := patchAt(m, strings.Split(path[1:], "/"), name, op.Value("value")); err != nil {
			return fmt.Errorf("operation %d, %s %s: %w", i, name, path, err)
		}
	}
	return nil
}

// patchAt does op at path below v and gives what v is then.
func patchAt(v any, path []string, op string, value any) (any, error) {
	step := strings.NewReplacer("~1", "/", "~0", "~").Replace(path[0])
	last := len(path) == 1
	switch v := v.(type) {
	case *ordered.Map:
		old, has := v.Lookup(step)
		if !has && (!last || op != "add") {
			return nil, fmt.Errorf("no such path in target JSON document")
		}
		if !last {
			sub, err := patchAt(old, path[1:], op, value)
			if err == nil {
				v.Set(step, sub)
			}
			return v, err
		}
		switch op {
		case "add", "replace":
			v.Set(step, value)
		case "remove":
			v.Delete(step)
		case "test":
			if string(ordered.Compact(old)) != string(ordered.Compact(value)) {
				return nil, fmt.Errorf("value differs from expectations")
			}
		default:
			return nil, fmt.Errorf("unknown operation")
		}
		return v, nil
	case []any:
		i, err := strconv.Atoi(step)
		if step == "-" {
			i, err = len(v), nil
		}
		if err != nil || i < 0 || i > len(v) || i == len(v) && (!last || op != "add") {
			return nil, fmt.Errorf("no such index in target array")
		}
		if !last {
			v[i], err = patchAt(v[i], path[1:], op, value)
			return v, err
		}
		switch op {
		case "add":
			return slices.Insert(v, i, value), nil
		case "replace":
			v[i] = value
		case "remove":
			return slices.Delete(v, i, i+1), nil
		case "test":
			if string(ordered.Compact(v[i])) != string(ordered.Compact(value)) {
				return nil, fmt.Errorf("value differs from expectations")
			}
		default:
			return nil, fmt.Errorf("unknown operation")
		}
		return v, nil
	}
	return nil, fmt.Errorf("no such path in target JSON document")
}
