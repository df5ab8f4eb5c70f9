package odoo

import (
	"crypto/subtle"
	"strings"
)

// user is a res.users record with what is not in the table.
type user struct {
	id     int64
	login  string
	key    string
	rights map[string]string // per model, letters of "crud"; nil is everything
}

// internal is what an internal user may do without further groups.
var internal = map[string]string{
	"res.partner": "r", "res.country": "r", "res.country.state": "r", "res.company": "r", "res.users": "r",
	"res.groups": "r", "product.product": "r", "uom.uom": "r", "ir.model.data": "r",
}

// user finds who is meant by an id and password, or API key.
func (s *Server) user(id int64, password string) *user {
	r := s.tables["res.users"].rows[id]
	if r == nil || r["active"] != true || password == "" {
		return nil
	}
	u := s.users[id]
	if u == nil { // made by a call from outside
		login, _ := r["login"].(string)
		u = &user{id: id, login: login, rights: internal}
		s.users[id] = u
	}
	own, _ := r["password"].(string)
	if equal(own, password) || u.key != "" && equal(u.key, password) {
		return u
	}
	return nil
}

// login finds a user by name and password, or API key.
func (s *Server) login(login, password string) *user {
	for id, r := range s.tables["res.users"].rows {
		if r["login"] == login {
			return s.user(id, password)
		}
	}
	return nil
}

// byKey finds a user by API key.
func (s *Server) byKey(key string) *user {
	for id, u := range s.users {
		if u.key != "" && equal(u.key, key) && s.tables["res.users"].rows[id]["active"] == true {
			return u
		}
	}
	return nil
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// groupsAllowed are the groups that an access error names: those recorded, by
// model and operation; create stands for write and unlink too.
var groupsAllowed = map[string][]string{
	"sale.order create": {"Sales/Administrator", "Sales/User: Own Documents Only"},
	"sale.order read": {"Inventory/User", "Invoicing/Invoicing", "Sales/Administrator", "Sales/User: Own Documents Only",
		"Technical/Show Accounting Features - Readonly", "Technical/Show Full Accounting Features", "User types/Portal"},
	"res.partner create": {"Extra Rights/Contact Creation", "Inventory/Administrator", "Sales/Administrator"},
}

// allowed refuses what the user has no right to.
func (t *tx) allowed(m *model, op string) error {
	letter := map[string]string{"create": "c", "read": "r", "write": "u", "unlink": "d"}[op]
	if t.user == nil || t.user.rights == nil || strings.Contains(t.user.rights[m.name], letter) {
		return nil
	}
	verb := map[string]string{"create": "create", "read": "access", "write": "modify", "unlink": "delete"}[op]
	groups := groupsAllowed[m.name+" "+op]
	if groups == nil && op != "read" {
		groups = groupsAllowed[m.name+" create"]
	}
	who := "No group currently allows this operation."
	if groups != nil {
		who = "This operation is allowed for the following groups:\n\t- " + strings.Join(groups, "\n\t- ")
	}
	return accessError("You are not allowed to %s '%s' (%s) records.\n\n%s\n\nContact your administrator to request access if necessary.",
		verb, m.label, m.name, who)
}
