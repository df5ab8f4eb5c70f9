package odoo

import "strings"

// product is one of the price list, known by the uuid that OpenMRS has for the
// test or drug.
type product struct {
	uuid, code, name, typ string
	price                 float64
	unit                  string // uuid of the unit, "" for pieces
}

// ciel is the uuid of a concept of the CIEL dictionary.
func ciel(number string) string { return number + strings.Repeat("A", 36-len(number)) }

// clinic is what openmrs.Seed orders, but for the HIV DNA test (CIEL 1030).
var clinic = []product{
	{ciel("1325"), "HCV", "Hepatitis C test - qualitative", "service", 8.5, ""},
	{ciel("1019"), "CBC", "Complete blood count", "service", 12.5, ""},
	{ciel("887"), "GLU", "Serum glucose", "service", 3, ""},
	{ciel("32"), "MALS", "Malarial smear", "service", 2, ""},
	{ciel("790"), "CREA", "Serum creatinine", "service", 5, ""},
	{ciel("856"), "VL", "HIV viral load", "service", 25, ""},
	{"ab3b5775-7080-4cb1-8be5-54e367940145", "LAB1015", "Thyroid Function Tests", "service", 18, ""},
	{"09e58895-e7f0-4649-b7c0-e665c5c08e93", "ASP81", "Aspirin 81mg", "consu", 0.05, ciel("1513")},
	{"8bd9fd8c-766c-470b-b841-51567fa668fe", "AMOX500", "Amoxicillin 500mg", "consu", 0.12, ciel("1608")},
	{"ea582e8b-306d-41db-8e27-50cd7ecc6c3d", "PARA500", "Paracetamol 500mg", "consu", 0.02, ciel("1513")},
	{"e9e9698c-5705-40cc-ac75-583f9e0497c7", "METF500", "Metformin 500mg", "consu", 0.04, ciel("1513")},
}

// SeedClinic adds the products and units that openmrs.Seed orders and the
// states its patients live in. Each has an external id whose name is the uuid
// that OpenMRS has for it, as Ozone loads them: ir.model.data of model
// product.product with the concept of a test or the Medication of a drug, of
// model uom.uom with the concept of a unit, of model res.company with the
// Location. One test has no product: openmrs.Clinic.UnknownProduct.
func (s *Server) SeedClinic() {
	for _, state := range [][2]string{{"Rift Valley", "RV"}, {"Nyanza", "NY"}, {"Eastern", "EA"}, {"Coast", "CO"}} {
		s.Create("res.country.state", map[string]any{"name": state[0], "code": state[1], "country_id": s.XMLID("base.ke")})
	}
	units := map[string]int64{}
	for _, unit := range [][2]string{{ciel("1513"), "Tablet"}, {ciel("1608"), "Capsule"}} {
		units[unit[0]] = s.Create("uom.uom", map[string]any{"name": unit[1]})
		s.external(unit[0], "uom.uom", units[unit[0]])
	}
	for _, p := range clinic {
		unit := int64(1)
		if p.unit != "" {
			unit = units[p.unit]
		}
		id := s.Create("product.product", map[string]any{
			"name": p.name, "default_code": p.code, "type": p.typ, "list_price": p.price, "uom_id": unit, "uom_po_id": unit})
		s.external(p.uuid, "product.product", id)
	}
	s.external("8d9045ad-50f0-45b8-93c8-3ed4bce19dbf", "res.company", 1)
}

// importModule is the module that Odoo gives external ids loaded from a file.
const importModule = "__import__"

func (s *Server) external(name, model string, id int64) {
	s.Create("ir.model.data", map[string]any{"module": importModule, "name": name, "model": model, "res_id": id})
}

// XMLID is the id of the record with an external id, module.name; 0 for none.
func (s *Server) XMLID(xmlid string) int64 {
	module, name, _ := strings.Cut(xmlid, ".")
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables["ir.model.data"]
	for _, id := range t.index["name"][name] {
		if r := t.rows[id]; r["module"] == module {
			return r["res_id"].(int64)
		}
	}
	return 0
}
