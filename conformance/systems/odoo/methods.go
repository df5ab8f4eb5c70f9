package odoo

import (
	"slices"
	"strings"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// method is one that may be called from outside.
type method struct {
	onModel bool     // called on the model, not on records: no ids before the arguments
	params  []string // in order; one with a star must be given
	run     func(t *tx, m *model, ids []int64, args map[string]any) (any, error)
}

var methods = map[string]method{
	"search":      {true, []string{"*domain", "offset", "limit", "order"}, runSearch},
	"search_read": {true, []string{"domain", "fields", "offset", "limit", "order", "load"}, runSearchRead},
	"search_count": {true, []string{"*domain", "limit"}, func(t *tx, m *model, _ []int64, a map[string]any) (any, error) {
		limit, _ := asInt(a["limit"])
		ids, err := t.search(m, a["domain"], "id", 0, limit)
		return int64(len(ids)), err
	}},
	"create":      {true, []string{"*vals_list"}, runCreate},
	"fields_get":  {true, []string{"allfields", "attributes"}, runFieldsGet},
	"name_search": {true, []string{"name", "args", "operator", "limit"}, runNameSearch},
	"name_create": {true, []string{"*name"}, func(t *tx, m *model, _ []int64, a map[string]any) (any, error) {
		id, err := t.create(m, ordered.Of(m.recName, a["name"]))
		if err != nil {
			return nil, err
		}
		return []any{id, t.displayName(m.name, id)}, nil
	}},
	"default_get": {true, []string{"*fields_list"}, runDefaultGet},
	"check_access_rights": {true, []string{"*operation", "raise_exception"}, func(t *tx, m *model, _ []int64, a map[string]any) (any, error) {
		op, _ := a["operation"].(string)
		raise, given := a["raise_exception"]
		if err := t.allowed(m, op); err != nil && (!given || truthy(raise)) {
			return nil, err
		}
		return t.allowed(m, op) == nil, nil
	}},
	"read": {false, []string{"fields", "load"}, func(t *tx, m *model, ids []int64, a map[string]any) (any, error) {
		return t.read(m, ids, stringsOf(a["fields"]), rawLoad(a))
	}},
	"write": {false, []string{"*vals"}, func(t *tx, m *model, ids []int64, a map[string]any) (any, error) {
		vals, ok := a["vals"].(*ordered.Map)
		if !ok {
			return nil, attributeError("'%s' object has no attribute 'items'", pyType(a["vals"]))
		}
		return true, t.write(m, ids, vals)
	}},
	"unlink": {false, nil, func(t *tx, m *model, ids []int64, _ map[string]any) (any, error) {
		return true, t.unlink(m, ids)
	}},
	"has_access": {false, []string{"*operation"}, func(t *tx, m *model, _ []int64, a map[string]any) (any, error) {
		op, _ := a["operation"].(string)
		return t.allowed(m, op) == nil, nil
	}},
	"action_archive":   {false, nil, archive(false)},
	"action_unarchive": {false, nil, archive(true)},
}

// call does one method of a model for a user, all or nothing. A method that
// returns nothing gives nil.
func (s *Server) call(u *user, modelName, name string, args []any, kwargs *ordered.Map) (any, error) {
	m := s.models[modelName]
	if m == nil {
		return nil, userError("Object %s doesn't exist", modelName)
	}
	if strings.HasPrefix(name, "_") || name == "init" {
		return nil, accessError("Private methods (such as %s) cannot be called remotely.", name)
	}
	if f := s.refused(modelName, name); f != nil {
		return nil, f
	}
	do, err := s.method(m, name)
	if err != nil {
		return nil, err
	}
	kwargs = kwargs.Clone()
	ctx, _ := kwargs.Value("context").(*ordered.Map)
	kwargs.Delete("context")
	var ids []int64
	if !do.onModel {
		switch {
		case len(args) > 0:
			ids, args = idsOf(args[0]), args[1:]
		case kwargs.Has("ids"):
			ids = idsOf(kwargs.Value("ids"))
			kwargs.Delete("ids")
		}
	}
	bound, err := do.bind(name, args, kwargs)
	if err != nil {
		return nil, err
	}
	return s.run(u, ctx, m, do, ids, bound)
}

// run is one transaction.
func (s *Server) run(u *user, ctx *ordered.Map, m *model, do method, ids []int64, bound map[string]any) (any, error) {
	t := s.begin(u, ctx)
	out, err := do.run(t, m, ids, bound)
	if err != nil {
		t.rollback()
		return nil, err
	}
	return out, nil
}

func (s *Server) method(m *model, name string) (method, error) {
	if do, ok := methods[name]; ok {
		return do, nil
	}
	action := m.methods[name]
	if action == nil {
		return method{}, attributeError("The method '%s' does not exist on the model '%s'", name, m.name)
	}
	return method{run: func(t *tx, m *model, ids []int64, _ map[string]any) (any, error) {
		if gone := t.gone(m, ids); len(gone) > 0 {
			return nil, missing(m.name, t.uid, gone...)
		}
		if err := t.allowed(m, "write"); err != nil {
			return nil, err
		}
		return action(t, ids)
	}}, nil
}

// bind gives every parameter its argument, as Python does.
func (do method) bind(name string, args []any, kwargs *ordered.Map) (map[string]any, error) {
	bound := map[string]any{}
	if len(args) > len(do.params) {
		return nil, typeError("BaseModel.%s() takes %d positional arguments but %d were given", name, len(do.params)+1, len(args)+1)
	}
	for i, v := range args {
		bound[strings.TrimPrefix(do.params[i], "*")] = v
	}
	for _, k := range kwargs.Keys() {
		known := slices.ContainsFunc(do.params, func(p string) bool { return strings.TrimPrefix(p, "*") == k })
		if k == "domain" && name == "name_search" { // its name in Odoo 19
			bound["args"] = kwargs.Value(k)
			continue
		}
		if !known {
			return nil, typeError("BaseModel.%s() got an unexpected keyword argument '%s'", name, k)
		}
		if _, twice := bound[k]; twice {
			return nil, typeError("BaseModel.%s() got multiple values for argument '%s'", name, k)
		}
		bound[k] = kwargs.Value(k)
	}
	for _, p := range do.params {
		if want, needed := strings.CutPrefix(p, "*"); needed {
			if _, ok := bound[want]; !ok {
				return nil, typeError("BaseModel.%s() missing 1 required positional argument: '%s'", name, want)
			}
		}
	}
	return bound, nil
}

func stringsOf(v any) []string {
	list, _ := v.([]any)
	out := []string{}
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// rawLoad says whether many2one come as ids: load is given and not the classic one.
func rawLoad(a map[string]any) bool {
	load, given := a["load"]
	return given && load != "_classic_read"
}

func runSearch(t *tx, m *model, _ []int64, a map[string]any) (any, error) {
	ids, err := t.found(m, a)
	return idList(ids), err
}

func (t *tx) found(m *model, a map[string]any) ([]int64, error) {
	offset, _ := asInt(a["offset"])
	limit, _ := asInt(a["limit"])
	by, _ := a["order"].(string)
	return t.search(m, a["domain"], by, offset, limit)
}

func runSearchRead(t *tx, m *model, _ []int64, a map[string]any) (any, error) {
	ids, err := t.found(m, a)
	if err != nil {
		return nil, err
	}
	names := stringsOf(a["fields"])
	for _, name := range names { // also when nothing was found
		if m.field(name) == nil {
			return nil, valueError("Invalid field %s on model %s", repr(name), repr(m.name))
		}
	}
	return t.read(m, ids, names, rawLoad(a))
}

func runCreate(t *tx, m *model, _ []int64, a map[string]any) (any, error) {
	if vals, ok := a["vals_list"].(*ordered.Map); ok {
		return t.create(m, vals)
	}
	list, ok := a["vals_list"].([]any)
	if !ok {
		return nil, typeError("'%s' object is not iterable", pyType(a["vals_list"]))
	}
	ids := []any{}
	for _, e := range list {
		vals, ok := e.(*ordered.Map)
		if !ok {
			return nil, attributeError("'%s' object has no attribute 'items'", pyType(e))
		}
		id, err := t.create(m, vals)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// runFieldsGet describes fields in the model's order, attributes by name.
func runFieldsGet(_ *tx, m *model, _ []int64, a map[string]any) (any, error) {
	only, attributes := stringsOf(a["allfields"]), stringsOf(a["attributes"])
	out := &ordered.Map{}
	for _, f := range m.fields {
		if len(only) > 0 && !slices.Contains(only, f.name) {
			continue
		}
		about := ordered.Of("name", f.name, "readonly", f.readonly)
		if f.relation != "" {
			about.Set("relation", f.relation)
		}
		if f.inverse != "" {
			about.Set("relation_field", f.inverse)
		}
		about.Set("required", f.required)
		about.Set("searchable", true)
		if f.typ == "selection" {
			values := []any{}
			for _, s := range f.selection {
				values = append(values, []any{s[0], s[1]})
			}
			about.Set("selection", values)
		}
		about.Set("sortable", f.stored())
		about.Set("store", f.compute == nil)
		about.Set("string", f.label)
		about.Set("type", f.typ)
		for _, k := range slices.Clone(about.Keys()) {
			if len(attributes) > 0 && !slices.Contains(attributes, k) {
				about.Delete(k)
			}
		}
		out.Set(f.name, about)
	}
	return out, nil
}

func runNameSearch(t *tx, m *model, _ []int64, a map[string]any) (any, error) {
	operator, _ := a["operator"].(string)
	if operator == "" {
		operator = "ilike"
	}
	domain := []any{}
	if more, ok := a["args"].([]any); ok {
		domain = append(domain, more...)
	}
	if name, _ := a["name"].(string); name != "" {
		domain = append(domain, []any{"display_name", operator, name})
	}
	limit, given := asInt(a["limit"])
	if !given {
		limit = 100
	}
	ids, err := t.search(m, domain, "", 0, limit)
	out := []any{}
	for _, id := range ids {
		out = append(out, []any{id, t.displayName(m.name, id)})
	}
	return out, err
}

func runDefaultGet(t *tx, m *model, _ []int64, a map[string]any) (any, error) {
	out := &ordered.Map{}
	for _, name := range stringsOf(a["fields_list"]) {
		if f := m.field(name); f != nil && f.def != nil {
			out.Set(name, t.shown(&field{name: name, typ: f.typ, relation: f.relation}, row{name: f.def(t)}, true))
		}
	}
	return out, nil
}

// archive is toggle by button: it returns nothing, which XML-RPC cannot say.
func archive(active bool) func(*tx, *model, []int64, map[string]any) (any, error) {
	return func(t *tx, m *model, ids []int64, _ map[string]any) (any, error) {
		return nil, t.write(m, ids, ordered.Of("active", active))
	}
}
