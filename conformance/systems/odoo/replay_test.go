package odoo_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/njia-health/njia/conformance/systems/odoo"
)

// notEqual are the recorded exchanges whose answer the double does not give
// byte for byte, and why. An exchange here that is equal fails the test.
var notEqual = map[string]string{}

// exchange is one recorded request with its answer.
type exchange struct {
	name    string
	request []byte
	answer  []byte
	meta    struct {
		Method, Path string
		ContentType  string `json:"request_content_type"`
		Status       int
		Headers      map[string]string `json:"response_headers"`
	}
}

func recorded(t *testing.T) []exchange {
	metas, err := filepath.Glob("testdata/real/*.meta.json")
	if err != nil || len(metas) == 0 {
		t.Fatalf("no recorded exchanges: %v", err)
	}
	out := []exchange{}
	for _, path := range metas {
		e := exchange{name: strings.TrimSuffix(filepath.Base(path), ".meta.json")}
		if err := json.Unmarshal(read(t, path), &e.meta); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		e.request = read(t, only(t, e.name, "request"))
		e.answer = read(t, only(t, e.name, "response"))
		out = append(out, e)
	}
	return out
}

func only(t *testing.T, name, part string) string {
	found, _ := filepath.Glob("testdata/real/" + name + "." + part + ".*")
	if len(found) != 1 {
		t.Fatalf("%s: %d files for the %s", name, len(found), part)
	}
	return found[0]
}

func read(t *testing.T, path string) []byte {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The recorded server had sale tax of 15 % and nothing but what Odoo installs.
// The exchanges were recorded in this order, each on what the ones before left.
func TestReplay(t *testing.T) {
	server := odoo.New(odoo.Options{TaxPercent: 15})
	cookie, equal := "", 0
	all := recorded(t)
	for _, e := range all {
		t.Run(e.name, func(t *testing.T) {
			r := httptest.NewRequest(e.meta.Method, "http://127.0.0.1:8069"+e.meta.Path, strings.NewReader(string(e.request)))
			r.Header.Set("Content-Type", e.meta.ContentType)
			if strings.HasPrefix(e.meta.Path, "/web/dataset") && !strings.Contains(e.name, "session-expired") {
				r.Header.Set("Cookie", cookie)
			}
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			if set := w.Header().Get("Set-Cookie"); set != "" {
				cookie, _, _ = strings.Cut(set, ";")
			}
			diff := cmp.Diff(e.meta.Status, w.Code) +
				cmp.Diff(e.meta.Headers["Content-Type"], w.Header().Get("Content-Type")) +
				cmp.Diff(e.meta.Headers["X-Content-Type-Options"], w.Header().Get("X-Content-Type-Options")) +
				cmp.Diff(normal(e.meta.Headers["Set-Cookie"]), normal(w.Header().Get("Set-Cookie"))) +
				cmp.Diff(normal(string(e.answer)), normal(w.Body.String()))
			switch reason, known := notEqual[e.name]; {
			case diff != "" && !known:
				t.Errorf("recorded (-) and the double's (+) differ:\n%s", diff)
			case diff == "" && known:
				t.Errorf("equal now, though the table says: %s", reason)
			case diff == "":
				equal++
			}
		})
	}
	t.Logf("%d of %d recorded exchanges equal", equal, len(all))
}

var normals = []struct {
	what *regexp.Regexp
	with string
}{
	// A traceback up to its last line of code, in XML and in a JSON string.
	{regexp.MustCompile(`(?s)Traceback \(most recent call last\):\n.*\n  [^\n]*\n`), "TRACEBACK\n"},
	{regexp.MustCompile(`Traceback \(most recent call last\):\\n.*\\n  (?:[^\\]|\\[^n])*\\n`), `TRACEBACK\n`},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "DATETIME"},
	{regexp.MustCompile(`session_id=[^;]*; Expires=[^;]*;`), "session_id=SESSION; Expires=DATE;"},
}

// normal takes out of an answer what no two servers have in common.
func normal(s string) string {
	for _, n := range normals {
		s = n.what.ReplaceAllString(s, n.with)
	}
	return s
}

var _ http.Handler = (*odoo.Server)(nil)
