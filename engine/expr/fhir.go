package expr

import "strings"

// field is a field of a map; null of anything else.
func field(v any, name string) any {
	m, _ := v.(map[string]any)
	return m[name]
}

// each gives the items of a list, or the one value that is no list.
func each(v any) []any {
	switch x := v.(type) {
	case nil:
		return nil
	case []any:
		return x
	}
	return []any{v}
}

// callCode finds a code in a CodeableConcept, a Coding, or a list of them. FHIR R4 datatypes.html#CodeableConcept.
func callCode(concept, system any) (any, error) {
	if system != nil {
		if _, ok := system.(string); !ok {
			return nil, callErrorf("code: a code system is text or null, this is %s", typeName(system))
		}
	}
	for _, c := range each(concept) {
		codings := []any{c}
		if list, ok := field(c, "coding").([]any); ok {
			codings = list
		}
		for _, coding := range codings {
			if code := field(coding, "code"); code != nil && field(coding, "system") == system {
				return code, nil
			}
		}
	}
	return nil, nil
}

// callIdentifier finds an identifier by its system; OpenMRS gives none, but the type's name.
func callIdentifier(resource, system any) (any, error) {
	want, ok := system.(string)
	if !ok {
		return nil, callErrorf("identifier: a system is text, this is %s", typeName(system))
	}
	for _, id := range each(field(resource, "identifier")) {
		if field(id, "value") != nil && identifies(id, want) {
			return field(id, "value"), nil
		}
	}
	return nil, nil
}

func identifies(id any, want string) bool {
	kind := field(id, "type")
	if field(id, "system") == want || field(kind, "text") == want || field(id, "use") == want {
		return true
	}
	for _, c := range each(field(kind, "coding")) {
		if field(c, "code") == want {
			return true
		}
	}
	return false
}

// callRefID takes the id out of a reference. One inside the resource (#a) and a conditional one (Patient?…) have none.
// FHIR R4 references.html#literal.
func callRefID(reference any) (any, error) {
	if m, ok := reference.(map[string]any); ok {
		reference = m["reference"]
	}
	if reference == nil {
		return nil, nil
	}
	s, ok := asText(reference)
	if _, flag := reference.(bool); !ok || flag {
		return nil, callErrorf("ref_id takes a reference or its text, this is %s", typeName(reference))
	}
	s, _, _ = strings.Cut(s, "|")
	if s == "" || s[0] == '#' || strings.Contains(s, "?") {
		return nil, nil
	}
	if rest, ok := strings.CutPrefix(s, "urn:"); ok {
		return rest[strings.LastIndexByte(rest, ':')+1:], nil
	}
	s, _, _ = strings.Cut(s, "/_history/")
	s = strings.TrimRight(s, "/")
	s = s[strings.LastIndexByte(s, '/')+1:]
	if s == "" {
		return nil, nil
	}
	return s, nil
}

// callDisplayName is a name as people say it.
func callDisplayName(patient any) (any, error) {
	switch patient.(type) {
	case nil:
		return nil, nil
	case map[string]any, []any:
	default:
		return nil, callErrorf("display_name takes a patient, this is %s", typeName(patient))
	}
	names := each(patient)
	if n, ok := field(patient, "name").([]any); ok {
		names = n
	}
	if name := bestName(names); name != nil {
		var parts []string
		for _, p := range append(append([]any{}, each(field(name, "given"))...), field(name, "family")) {
			if s, ok := p.(string); ok && s != "" {
				parts = append(parts, s)
			}
		}
		if len(parts) > 0 {
			return strings.Join(parts, " "), nil
		}
		if text, ok := field(name, "text").(string); ok && text != "" {
			return text, nil
		}
	}
	return nil, nil
}

// bestName is the official name, else the usual one, else the first that is not old, else the first.
func bestName(names []any) any {
	for _, use := range []string{"official", "usual"} {
		for _, n := range names {
			if field(n, "use") == use {
				return n
			}
		}
	}
	for _, n := range names {
		if u := field(n, "use"); u != "old" && u != "maiden" {
			return n
		}
	}
	if len(names) > 0 {
		return names[0]
	}
	return nil
}
