// Package odoo speaks to Odoo ERP as an outside user: over JSON-RPC (Odoo 8 to 21), XML-RPC, or JSON-2 (Odoo 19 and later).
//
//	operation ── call{model, method, …} ──> client (login, once more on a refusal) ──> jsonrpc | xmlrpc | json2 ──> Odoo
//	                                                                       answer <── value, or a fault with its class
package odoo

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
)

// Adapter is this package's one declaration. adapters/adapters.go lists it.
func Adapter() *adapter.Definition {
	return adapter.Define("odoo", "Odoo ERP: reads, writes and idempotent upserts over JSON-RPC, XML-RPC or JSON-2",
		Settings{Protocol: "jsonrpc", Timeout: 30 * time.Second, MaxAnswer: 32 << 20}, open,
		adapter.Operation("search_read", "finds records by a domain and reads them; the answer is a list", adapter.Reads, SearchRead{}, (*client).searchRead),
		adapter.Operation("search", "finds records by a domain; the answer is a list of ids", adapter.Reads, Search{}, (*client).search),
		adapter.Operation("read", "reads records by id; the answer is a list, in which records that are gone are missing", adapter.Reads, Read{}, (*client).read),
		adapter.Operation("create", "makes a record; the answer is {id}", adapter.Writes, Create{}, (*client).create),
		adapter.Operation("write", "changes records that are there", adapter.Idempotent, Write{}, (*client).write),
		adapter.Operation("unlink", "deletes records; one that is gone already is well; the answer is {ids}, none of which is there any more", adapter.Idempotent, Unlink{}, (*client).unlink),
		adapter.Operation("upsert", "finds a record by external id or match, makes it where there is none, and writes the fields that differ; the answer is {id, created, changed}",
			adapter.Idempotent, Upsert{OnlyChanged: true, Create: true, Several: "fail"}, (*client).upsert),
		adapter.Operation("external-id", "finds what an external id (ir.model.data) stands for; the answer is {id, model}; unmapped where there is none", adapter.Reads, ExternalID{}, (*client).externalID),
		adapter.Operation("method", "calls a method of a model, such as action_confirm", adapter.Writes, Method{Writes: true}, (*client).method),
		adapter.IdempotentIf[*client]("method", func(w Method) bool { return !w.Writes }),
		adapter.Health((*client).health),
	)
}

// Settings are those of a system document.
type Settings struct {
	URL       string         `yaml:"url,required" doc:"where Odoo is, such as http://odoo:8069"`
	Database  string         `yaml:"database,required" doc:"the Odoo database"`
	Auth      Auth           `yaml:"auth,required" doc:"how to log in: password or api-key"`
	Protocol  string         `yaml:"protocol" enum:"auto,jsonrpc,xmlrpc,json2" doc:"how to speak: json2 needs Odoo 19 or later and an API key; auto asks Odoo for its version"`
	Timeout   time.Duration  `yaml:"timeout" doc:"how long one request may take"`
	Context   map[string]any `yaml:"context" doc:"Odoo context of every call, such as { lang: fr_FR, tz: Africa/Nairobi }"`
	Company   int            `yaml:"company" doc:"id of the company that every call works in; 0: the user's own"`
	MaxAnswer bind.Size      `yaml:"max-answer" doc:"largest answer that is read"`
}

// Auth is how to log in: exactly one is given.
type Auth struct {
	Password *Password `yaml:"password" doc:"user name and password"`
	APIKey   *APIKey   `yaml:"api-key" doc:"API key of a user (Odoo 14 and later)"`
}

// Password logs in with a name and a password.
type Password struct {
	Username string      `yaml:"username,required" doc:"login name of the Odoo user"`
	Password bind.Secret `yaml:"password,required" doc:"its password"`
}

// APIKey logs in with a key that the user made in their preferences.
type APIKey struct {
	Username string      `yaml:"username" doc:"login name of the key's user; not needed for json2"`
	Key      bind.Secret `yaml:"key,required" doc:"the key"`
}

func (a Auth) login() (user, secret string) {
	switch {
	case a.Password != nil:
		return a.Password.Username, a.Password.Password.Reveal()
	case a.APIKey != nil:
		return a.APIKey.Username, a.APIKey.Key.Reveal()
	}
	return "", ""
}

func open(_ context.Context, env adapter.Env, s Settings) (*client, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("url: %q is no web address; write it as in http://odoo:8069", redactURL(s.URL))
	}
	if (s.Auth.Password == nil) == (s.Auth.APIKey == nil) {
		return nil, fmt.Errorf("auth: give either password or api-key")
	}
	if s.Protocol == "json2" && s.Auth.APIKey == nil {
		return nil, fmt.Errorf("auth: json2 needs an api-key: { key: … }")
	}
	if s.Auth.APIKey != nil && s.Auth.APIKey.Username == "" && s.Protocol != "json2" {
		return nil, fmt.Errorf("auth: api-key needs the username of the key's user unless protocol is json2")
	}
	s.URL = strings.TrimRight(s.URL, "/")
	return newClient(env, s), nil
}

// redactURL drops what may be a password in front of the host.
func redactURL(s string) string {
	if i := strings.LastIndex(s, "@"); i >= 0 {
		return "…" + s[i:]
	}
	return s
}
