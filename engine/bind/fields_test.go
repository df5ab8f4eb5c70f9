package bind_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/njia-health/njia/engine/bind"
)

type tree struct {
	Name string `yaml:"name,required" doc:"its name"`
	Kids []tree `yaml:"kids" doc:"those below"`
}

func TestFields(t *testing.T) {
	yes := true
	got := bind.Fields(settings{
		URL: "http://a", Every: 15 * time.Second, Max: 10 << 20, Rate: bind.Rate{N: 20, Per: time.Minute}, Backoff: bind.Range{From: 2 * time.Second, To: 15 * time.Minute},
		Secret: "hunter2", Login: &login{User: "u", Password: "hunter2"}, Names: []string{"a", "b"}, Headers: map[string]string{"b": "2", "a": "1"}, Flag: &yes,
		Hosts: map[string]login{"x": {Password: "hunter2"}}, Mode: "create", paging: paging{50},
	})
	short := map[string]string{}
	for _, f := range got {
		words := []string{f.Type, f.Default, f.Doc, strings.Join(f.Enum, "/")}
		if f.Required {
			words = append(words, "required")
		}
		for _, in := range f.Fields {
			words = append(words, "{"+in.Name+" "+in.Type+" "+in.Default+"}")
		}
		short[f.Name] = strings.Join(words, "|")
		if strings.Contains(short[f.Name], "hunter2") {
			t.Errorf("a secret shows: %s", short[f.Name])
		}
	}
	want := map[string]string{
		"url": "text|http://a|base address|", "on": "true or false|||", "count": "whole number|||", "small": "whole number|||", "port": "whole number|||",
		"ratio": "number|||", "every": "duration|15s|how often|", "at": "time|||", "max": "size|10MB||", "rate": "rate|20/m||", "backoff": "range of durations|2s..15m||",
		"dir": "file or folder|||", "secret": "secret|||", "node": "any value|||", "any": "any value|||", "names": "list of text|[a, b]||",
		"headers": "map of text|{ a: 1, b: 2 }||", "mode": "text|create|what to do|create/update/upsert", "modes": "list of text|||a/b",
		"login": "map||credentials||{user text u}|{password secret }", "logins": "list of map||||{user text }|{password secret }",
		"hosts": "map of map||||{user text }|{password secret }", "flag": "true or false|true||", "color": "text|||", "number": "number|||",
		"page-size": "whole number|50|rows at once|",
	}
	if diff := cmp.Diff(want, short); diff != "" {
		t.Errorf("Fields (-want +got)\n%s", diff)
	}
	if f := bind.Fields(tree{}); len(f) != 2 || !f[0].Required || len(f[1].Fields) != 0 {
		t.Errorf("Fields of a type within itself: %+v", f)
	}
}
