package odoo

import (
	"fmt"
	"slices"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// model is one table with its rules.
type model struct {
	name, label string
	recName     string
	order       string
	fields      []*field
	byName      map[string]*field

	display   func(*tx, row) string         // the name of a record
	before    func(*tx, *ordered.Map) error // of a create, before rights are checked
	complete  func(*tx, row) error          // fills in what a create leaves out
	constrain func(*tx, row) error          // after not null
	unlinking func(*tx, []int64) error      // may refuse
	methods   map[string]func(*tx, []int64) (any, error)

	// owner are the fields of another model that this one inherits from: an
	// error about them names that one.
	owner                 map[string]bool
	ownerName, ownerLabel string
}

func (m *model) field(name string) *field { return m.byName[name] }

func (m *model) add(f *field) {
	if m.byName == nil {
		m.byName = map[string]*field{}
	}
	m.fields = append(m.fields, f)
	m.byName[f.name] = f
}

// define makes a model; every one has the fields that Odoo gives them all.
func define(name, label, order string, fields ...*field) *model {
	m := &model{name: name, label: label, order: order, recName: "name"}
	m.add(&field{name: "id", typ: "integer", label: "ID", readonly: true})
	for _, f := range fields {
		m.add(f)
	}
	m.add(&field{name: "display_name", typ: "char", label: "Display Name", readonly: true,
		compute: func(t *tx, r row) any { return t.displayName(name, r.id()) }})
	m.add(&field{name: "create_uid", typ: "many2one", relation: "res.users", label: "Created by", readonly: true})
	m.add(&field{name: "create_date", typ: "datetime", label: "Created on", readonly: true})
	m.add(&field{name: "write_uid", typ: "many2one", relation: "res.users", label: "Last Updated by", readonly: true})
	m.add(&field{name: "write_date", typ: "datetime", label: "Last Updated on", readonly: true})
	return m
}

// Short forms for the tables below.
func char(name, label string) *field    { return &field{name: name, typ: "char", label: label} }
func number_(name, label string) *field { return &field{name: name, typ: "float", label: label} }
func flag(name, label string, on bool) *field {
	return &field{name: name, typ: "boolean", label: label, def: always(on)}
}
func to(name, label, relation string) *field {
	return &field{name: name, typ: "many2one", label: label, relation: relation}
}
func choice(name, label string, def any, values ...[2]string) *field {
	return &field{name: name, typ: "selection", label: label, selection: values, def: always(def)}
}
func (f *field) must() *field                   { f.required = true; return f }
func (f *field) or(v any) *field                { f.def = always(v); return f }
func (f *field) as(typ string) *field           { f.typ = typ; return f }
func (f *field) by(c func(*tx, row) any) *field { f.compute, f.readonly = c, true; return f }
func always(v any) func(*tx) any                { return func(*tx) any { return v } }

// standardModels are those of base, contacts, product, uom and sale that the
// double has.
func standardModels() []*model {
	partner := define("res.partner", "Contact", "name, id desc",
		char("name", "Name"),
		char("ref", "Reference"),
		flag("active", "Active", true),
		choice("type", "Address Type", "contact", [2]string{"contact", "Contact"}, [2]string{"invoice", "Invoice Address"},
			[2]string{"delivery", "Delivery Address"}, [2]string{"other", "Other Address"}),
		flag("is_company", "Is a Company", false),
		to("parent_id", "Related Company", "res.partner"),
		char("phone", "Phone"), char("mobile", "Mobile"), char("email", "Email"),
		char("street", "Street"), char("street2", "Street2"), char("zip", "Zip"), char("city", "City"),
		to("state_id", "State", "res.country.state"), to("country_id", "Country", "res.country"),
		to("company_id", "Company", "res.company"),
		char("comment", "Notes").as("html"),
		char("vat", "Tax ID"), char("function", "Job Position"), char("website", "Website Link"),
		char("lang", "Language").or("en_US"), char("tz", "Timezone"), char("barcode", "Barcode"),
		to("user_id", "Salesperson", "res.users"),
		&field{name: "child_ids", typ: "one2many", label: "Contact", relation: "res.partner", inverse: "parent_id"},
		&field{name: "customer_rank", typ: "integer", label: "Customer Rank"},
	)
	partner.constrain = func(t *tx, r row) error {
		if r["type"] == "contact" && (r["name"] == nil) {
			return validationError("Contacts require a name") // _sql_constraints check_name
		}
		return nil
	}

	product := define("product.product", "Product Variant", "default_code, name, id",
		char("name", "Name").must(),
		char("default_code", "Internal Reference"),
		flag("active", "Active", true),
		choice("type", "Product Type", "consu", [2]string{"consu", "Goods"}, [2]string{"service", "Service"}, [2]string{"combo", "Combo"}),
		char("barcode", "Barcode"),
		number_("list_price", "Sales Price").or(1.0),
		number_("lst_price", "Sales Price").by(func(t *tx, r row) any { return r["list_price"] }),
		number_("standard_price", "Cost"),
		to("uom_id", "Unit of Measure", "uom.uom").must().or(int64(1)),
		to("uom_po_id", "Purchase Unit", "uom.uom").or(int64(1)),
		flag("sale_ok", "Sales", true), flag("purchase_ok", "Purchase", true),
		char("description_sale", "Sales Description").as("text"),
		number_("qty_available", "Quantity On Hand").by(func(*tx, row) any { return 0.0 }),
		to("company_id", "Company", "res.company"),
	)
	product.owner = map[string]bool{"name": true, "uom_id": true}
	product.ownerName, product.ownerLabel = "product.template", "Product"
	product.display = func(t *tx, r row) string {
		name, _ := r["name"].(string)
		if code, _ := r["default_code"].(string); code != "" {
			return fmt.Sprintf("[%s] %s", code, name)
		}
		return name
	}

	state := define("res.country.state", "Country state", "code, id",
		to("country_id", "Country", "res.country").must(), char("name", "State Name").must(), char("code", "State Code").must())
	state.display = func(t *tx, r row) string {
		name, _ := r["name"].(string)
		if c, ok := r["country_id"].(int64); ok {
			if code, _ := t.row("res.country", c)["code"].(string); code != "" {
				return name + " (" + code + ")"
			}
		}
		return name
	}

	data := define("ir.model.data", "Model Data", "module, model, name",
		char("name", "External Identifier").must(),
		char("complete_name", "Complete ID").by(func(t *tx, r row) any { return fmt.Sprint(r["module"], ".", r["name"]) }),
		char("model", "Model Name").must(),
		char("module", "Module").must().or(""),
		&field{name: "res_id", typ: "integer", label: "Record ID"},
		flag("noupdate", "Non Updatable", false),
	)
	data.constrain = uniqueXMLID

	users := define("res.users", "User", "name, login",
		char("login", "Login").must(),
		to("partner_id", "Related Partner", "res.partner").must(),
		char("name", "Name").by(func(t *tx, r row) any { return t.row("res.partner", r["partner_id"].(int64))["name"] }),
		flag("active", "Active", true),
		char("password", "Password"),
		to("company_id", "Company", "res.company").must().or(int64(1)),
		&field{name: "groups_id", typ: "many2many", label: "Groups", relation: "res.groups"},
	)
	users.byName["login"].unique = "You can not have two users with the same login!"
	users.display = func(t *tx, r row) string { return t.displayName("res.partner", r["partner_id"].(int64)) }
	users.before = userPartner

	return []*model{
		define("res.company", "Companies", "sequence, name",
			char("name", "Company Name").must(), to("partner_id", "Partner", "res.partner").must(),
			&field{name: "sequence", typ: "integer", label: "Sequence"}, flag("active", "Active", true)),
		define("res.groups", "Access Groups", "name", char("name", "Name").must()),
		partner, users, data,
		define("res.country", "Country", "name, id", char("name", "Country Name").must(), char("code", "Country Code").must()),
		state,
		define("uom.uom", "Product Unit of Measure", "factor desc, id",
			char("name", "Unit of Measure").must(), number_("factor", "Ratio").or(1.0), flag("active", "Active", true)),
		product,
		saleOrder(), saleOrderLine(),
	}
}

// uniqueXMLID is ir.model.data's index of module and name. The text is
// PostgreSQL's, not recorded.
func uniqueXMLID(t *tx, r row) error {
	for _, id := range t.table("ir.model.data").index["name"][r["name"]] {
		if other := t.row("ir.model.data", id); other["module"] == r["module"] && other["id"] != r["id"] {
			return validationError("duplicate key value violates unique constraint \"ir_model_data_module_name_uniq_index\"\n"+
				"DETAIL:  Key (module, name)=(%v, %v) already exists.\n", r["module"], r["name"])
		}
	}
	return nil
}

// userPartner makes the partner that every user is.
func userPartner(t *tx, vals *ordered.Map) error {
	if vals.Has("partner_id") {
		return nil
	}
	partner := ordered.Of("name", vals.Value("name"))
	vals.Delete("name")
	id, err := t.create(t.s.models["res.partner"], partner)
	vals.Set("partner_id", id)
	return err
}

// addCustom adds the fields of Options.
func (s *Server) addCustom(fields []Field) error {
	for _, c := range fields {
		m := s.models[c.Model]
		if m == nil {
			return fmt.Errorf("odoo: custom field %s: no model %q", c.Name, c.Model)
		}
		f := &field{name: c.Name, typ: c.Type, label: c.Label, required: c.Required, relation: c.Relation, selection: c.Selection, unique: c.Unique}
		if f.typ == "" {
			f.typ = "char"
		}
		if f.label == "" {
			f.label = c.Name
		}
		known := []string{"char", "text", "html", "integer", "float", "boolean", "date", "datetime", "selection", "many2one"}
		if !slices.Contains(known, f.typ) || f.typ == "many2one" && s.models[f.relation] == nil {
			return fmt.Errorf("odoo: custom field %s: no type %q of relation %q", c.Name, f.typ, f.relation)
		}
		m.add(f)
	}
	return nil
}
