package odoo

import (
	"fmt"
	"strings"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// seedBase makes the records that every Odoo has, with the numbers of a fresh
// database: the next partner is 7, the next user 6, the external id of the
// group of internal users 5.
func (s *Server) seedBase() {
	installed := s.opts.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	put := func(model string, at time.Time, values ...any) int64 {
		t := s.begin(nil, nil)
		t.now = at
		m := s.models[model]
		r := row{"id": t.nextID(model), "create_date": at, "write_date": at, "create_uid": int64(1), "write_uid": int64(1)}
		for i := 0; i < len(values); i += 2 {
			r[values[i].(string)] = values[i+1]
		}
		for _, f := range m.fields {
			if _, given := r[f.name]; !given && f.stored() {
				r[f.name] = f.empty(t)
			}
		}
		t.put(model, r.id(), r)
		return r.id()
	}
	put("res.company", installed, "name", "My Company", "partner_id", int64(1))
	put("res.groups", installed, "name", "User types/Internal User")
	put("res.groups", installed, "name", "Sales/User: Own Documents Only")
	partners := []struct {
		name   string
		active bool
	}{{"My Company", true}, {"OdooBot", false}, {"Administrator", true}, {"Default User Template", false},
		{"Public user", false}, {"Portal User Template", false}}
	for i, p := range partners {
		at := installed
		if i == 0 {
			at = installed.Add(30 * time.Second) // the set-up wizard changes the company's own
		}
		put("res.partner", at, "name", p.name, "active", p.active, "is_company", i == 0)
	}
	for i, login := range []string{"__system__", "admin", "default", "public", "portaltemplate"} {
		put("res.users", installed, "login", login, "partner_id", int64(i+2), "active", login == "admin", "password", nil, "groups_id", []int64{1})
	}
	for _, ref := range []struct {
		name, model string
		id          int64
	}{{"main_company", "res.company", 1}, {"main_partner", "res.partner", 1}, {"user_root", "res.users", 1},
		{"user_admin", "res.users", 2}, {"group_user", "res.groups", 1}} {
		put("ir.model.data", installed, "module", "base", "name", ref.name, "model", ref.model, "res_id", ref.id)
	}
	for _, u := range []struct {
		name, xml string
		factor    float64
	}{{"Units", "product_uom_unit", 1}, {"Dozens", "product_uom_dozen", 1.0 / 12}, {"kg", "product_uom_kgm", 1}, {"g", "product_uom_gram", 1000}, {"L", "product_uom_litre", 1}} {
		id := put("uom.uom", installed, "name", u.name, "factor", u.factor)
		put("ir.model.data", installed, "module", "uom", "name", u.xml, "model", "uom.uom", "res_id", id)
	}
	for _, c := range strings.Split(countries, "\n") {
		code, name, _ := strings.Cut(strings.TrimSpace(c), " ")
		id := put("res.country", installed, "name", name, "code", code)
		put("ir.model.data", installed, "module", "base", "name", strings.ToLower(code), "model", "res.country", "res_id", id)
	}
}

const countries = `BE Belgium
BI Burundi
BW Botswana
CD Democratic Republic of the Congo
CM Cameroon
ET Ethiopia
FR France
GH Ghana
HT Haiti
IN India
KE Kenya
KH Cambodia
LR Liberia
LS Lesotho
MG Madagascar
MW Malawi
MZ Mozambique
NG Nigeria
NP Nepal
RW Rwanda
SL Sierra Leone
SN Senegal
SO Somalia
SS South Sudan
TZ Tanzania
UG Uganda
US United States
ZA South Africa
ZM Zambia
ZW Zimbabwe`

// seedUsers adds the users of Options.
func (s *Server) seedUsers() error {
	s.users[2] = &user{id: 2, login: "admin", key: "admin-api-key"}
	s.setPassword(2, "admin")
	for _, o := range s.opts.Users {
		id := int64(0)
		for _, old := range s.tables["res.users"].ids {
			if s.tables["res.users"].rows[old]["login"] == o.Login {
				id = old
			}
		}
		if id == 0 {
			var err error
			id, err = s.begin(nil, nil).create(s.models["res.users"], ordered.Of("name", o.Login, "login", o.Login))
			if err != nil {
				return fmt.Errorf("odoo: user %s: %w", o.Login, err)
			}
		}
		s.users[id] = &user{id: id, login: o.Login, key: o.Key, rights: o.Rights}
		s.setPassword(id, o.Password)
	}
	return nil
}

func (s *Server) setPassword(id int64, password string) {
	t := s.tables["res.users"]
	r := t.rows[id].clone()
	r["password"] = password
	t.put(id, r)
}
