package adaptertest

import (
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Node reads settings written in YAML, with their places in a file called settings.yaml. Relative paths are relative to
// base. An empty text is an empty map.
func Node(t testing.TB, text, base string) *bind.Node {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		t.Fatalf("the harness's settings are no YAML: %v\n%s", err, text)
	}
	if len(root.Content) == 0 {
		return &bind.Node{Kind: bind.Map, Base: base}
	}
	return node(root.Content[0], base)
}

func node(y *yaml.Node, base string) *bind.Node {
	n := &bind.Node{Pos: place(y), TextPos: place(y), Text: y.Value, Base: base}
	switch y.Kind {
	case yaml.MappingNode:
		n.Kind, n.Text = bind.Map, ""
		for i := 0; i+1 < len(y.Content); i += 2 {
			n.Keys = append(n.Keys, bind.Key{Name: y.Content[i].Value, Pos: place(y.Content[i])})
			n.Items = append(n.Items, node(y.Content[i+1], base))
		}
	case yaml.SequenceNode:
		n.Kind, n.Text = bind.List, ""
		for _, item := range y.Content {
			n.Items = append(n.Items, node(item, base))
		}
	case yaml.AliasNode:
		return node(y.Alias, base)
	default:
		switch y.ShortTag() {
		case "!!null":
			n.Kind = bind.Null
		case "!!bool":
			n.Kind = bind.Bool
		case "!!int", "!!float":
			n.Kind = bind.Number
		default:
			n.Kind = bind.String
		}
	}
	return n
}

func place(y *yaml.Node) diag.Pos {
	return diag.Pos{File: "settings.yaml", Line: y.Line, Col: y.Column}
}
