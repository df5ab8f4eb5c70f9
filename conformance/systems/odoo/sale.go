package odoo

import (
	"fmt"
	"math"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// saleOrder is sale.order. Its name comes from a sequence before anything is
// checked, so a refused create leaves a gap.
func saleOrder() *model {
	m := define("sale.order", "Sales Order", "date_order desc, id desc",
		char("name", "Order Reference").must(),
		to("company_id", "Company", "res.company").must().or(int64(1)),
		to("partner_id", "Customer", "res.partner").must(),
		choice("state", "Status", "draft", [2]string{"draft", "Quotation"}, [2]string{"sent", "Quotation Sent"},
			[2]string{"sale", "Sales Order"}, [2]string{"cancel", "Cancelled"}),
		flag("locked", "Locked", false),
		char("client_order_ref", "Customer Reference"),
		&field{name: "date_order", typ: "datetime", label: "Order Date", required: true, def: func(t *tx) any { return t.now.Truncate(1e9) }},
		&field{name: "validity_date", typ: "date", label: "Expiration"},
		&field{name: "commitment_date", typ: "datetime", label: "Delivery Date"},
		char("origin", "Source Document"), char("reference", "Payment Ref."),
		to("partner_invoice_id", "Invoice Address", "res.partner"), to("partner_shipping_id", "Delivery Address", "res.partner"),
		choice("invoice_status", "Invoice Status", nil, [2]string{"upselling", "Upselling Opportunity"}, [2]string{"invoiced", "Fully Invoiced"},
			[2]string{"to invoice", "To Invoice"}, [2]string{"no", "Nothing to Invoice"}).by(func(_ *tx, r row) any {
			if r["state"] == "sale" {
				return "to invoice"
			}
			return "no"
		}),
		char("note", "Terms and conditions").as("html"),
		to("user_id", "Salesperson", "res.users"),
		&field{name: "order_line", typ: "one2many", label: "Order Lines", relation: "sale.order.line", inverse: "order_id"},
		number_("amount_untaxed", "Untaxed Amount").as("monetary").by(func(t *tx, r row) any { return t.amount(r, 1) }),
		number_("amount_tax", "Taxes").as("monetary").by(func(t *tx, r row) any { return t.amount(r, t.s.opts.TaxPercent/100) }),
		number_("amount_total", "Total").as("monetary").by(func(t *tx, r row) any { return t.amount(r, 1+t.s.opts.TaxPercent/100) }),
		char("type_name", "Type Name").by(func(t *tx, r row) any {
			if r["state"] == "sale" {
				return "Sales Order"
			}
			return "Quotation"
		}),
	)
	m.before = func(t *tx, vals *ordered.Map) error {
		if v := vals.Value("date_order"); truthy(v) {
			if _, err := toDatetime(v); err != nil {
				return err
			}
		}
		if !truthy(vals.Value("name")) {
			t.s.quotations++
			vals.Set("name", fmt.Sprintf("S%05d", t.s.quotations))
		}
		return nil
	}
	m.complete = func(t *tx, r row) error {
		for _, f := range []string{"partner_invoice_id", "partner_shipping_id"} {
			if r[f] == nil {
				r[f] = r["partner_id"]
			}
		}
		return t.exists(r, "partner_id", "res.partner")
	}
	m.unlinking = func(t *tx, ids []int64) error {
		for _, id := range ids {
			if r := t.row("sale.order", id); r != nil && r["state"] != "draft" && r["state"] != "cancel" {
				return userError("You can not delete a sent quotation or a confirmed sales order. You must first cancel it.")
			}
		}
		return nil
	}
	m.methods = map[string]func(*tx, []int64) (any, error){
		"action_confirm": actionConfirm, "action_cancel": actionCancel, "action_draft": actionDraft,
		"action_quotation_sent": actionQuotationSent,
	}
	return m
}

// exists refuses a relation to nothing as Odoo does when it computes from it.
func (t *tx) exists(r row, field, model string) error {
	if id, ok := r[field].(int64); ok && t.row(model, id) == nil {
		return missing(model, t.uid, id)
	}
	return nil
}

// amount sums the lines of an order, times a factor, to the cent.
func (t *tx) amount(r row, factor float64) float64 {
	sum := 0.0
	for _, id := range t.pointing("sale.order.line", "order_id", r.id()) {
		sum += subtotal(t, t.row("sale.order.line", id)).(float64)
	}
	return math.Round(sum*factor*100) / 100
}

func subtotal(_ *tx, r row) any {
	discount, _ := r["discount"].(float64)
	return math.Round(r["product_uom_qty"].(float64)*r["price_unit"].(float64)*(100-discount)) / 100
}

func (t *tx) states(ids []int64, state string) error {
	return t.write(t.s.models["sale.order"], ids, ordered.Of("state", state))
}

func actionConfirm(t *tx, ids []int64) (any, error) {
	for _, id := range ids {
		if s := t.row("sale.order", id)["state"]; s != "draft" && s != "sent" {
			return nil, userError("Some orders are not in a state requiring confirmation.")
		}
		for _, line := range t.pointing("sale.order.line", "order_id", id) {
			if r := t.row("sale.order.line", line); r["display_type"] == nil && r["product_id"] == nil {
				return nil, userError("Some order lines are missing a product, you need to correct them before going further.")
			}
		}
	}
	if err := t.states(ids, "sale"); err != nil {
		return nil, err
	}
	return true, t.write(t.s.models["sale.order"], ids, ordered.Of("date_order", t.now.Format(datetime)))
}

// actionCancel cancels drafts. For any other order it answers the action that
// opens a form, and cancels nothing, unless the context has
// disable_cancel_warning: sale.order of Odoo 16 to 18, not recorded.
func actionCancel(t *tx, ids []int64) (any, error) {
	wizard := false
	for _, id := range ids {
		r := t.row("sale.order", id)
		if r["locked"] == true {
			return nil, userError("You cannot cancel a locked order. Please unlock it first.")
		}
		wizard = wizard || r["state"] != "draft"
	}
	if wizard && !truthy(t.ctx.Value("disable_cancel_warning")) {
		if len(ids) != 1 {
			return nil, valueError("Expected singleton: sale.order%s", reprTuple(idList(ids)))
		}
		return ordered.Of(
			"name", "Cancel Sales Order", "view_mode", "form", "res_model", "sale.order.cancel", "view_id", int64(1021),
			"type", "ir.actions.act_window",
			"context", ordered.Of("default_template_id", int64(12), "default_order_id", ids[0], "mark_so_as_canceled", true),
			"target", "new"), nil
	}
	return true, t.states(ids, "cancel")
}

func actionDraft(t *tx, ids []int64) (any, error) {
	back := []int64{}
	for _, id := range ids {
		if s := t.row("sale.order", id)["state"]; s == "cancel" || s == "sent" {
			back = append(back, id)
		}
	}
	return true, t.states(back, "draft")
}

func actionQuotationSent(t *tx, ids []int64) (any, error) {
	for _, id := range ids {
		if t.row("sale.order", id)["state"] != "draft" {
			return nil, userError("Only draft orders can be marked as sent directly.")
		}
	}
	return nil, t.states(ids, "sent")
}

func saleOrderLine() *model {
	m := define("sale.order.line", "Sales Order Line", "order_id, sequence, id",
		to("order_id", "Order Reference", "sale.order").must(),
		&field{name: "sequence", typ: "integer", label: "Sequence", def: always(int64(10))},
		char("name", "Description").as("text").must(),
		to("product_id", "Product", "product.product"),
		number_("product_uom_qty", "Quantity").or(1.0).must(),
		to("product_uom", "Unit of Measure", "uom.uom"),
		number_("price_unit", "Unit Price").or(nil).must(),
		number_("discount", "Discount (%)"),
		number_("price_subtotal", "Subtotal").as("monetary").by(subtotal),
		number_("price_total", "Total").as("monetary").by(func(t *tx, r row) any {
			return math.Round(subtotal(t, r).(float64)*(100+t.s.opts.TaxPercent)) / 100
		}),
		&field{name: "display_type", typ: "selection", label: "Display Type", selection: [][2]string{{"line_section", "Section"}, {"line_note", "Note"}}},
		to("company_id", "Company", "res.company").by(func(t *tx, r row) any { return t.order(r)["company_id"] }),
		to("order_partner_id", "Customer", "res.partner").by(func(t *tx, r row) any { return t.order(r)["partner_id"] }),
		choice("state", "Order Status", nil, [2]string{"draft", "Quotation"}, [2]string{"sent", "Quotation Sent"},
			[2]string{"sale", "Sales Order"}, [2]string{"cancel", "Cancelled"}).by(func(t *tx, r row) any { return t.order(r)["state"] }),
		number_("qty_delivered", "Delivery Quantity"),
		number_("qty_invoiced", "Invoiced Quantity").by(func(*tx, row) any { return 0.0 }),
	)
	m.byName["order_id"].cascade = true
	m.complete = completeLine
	m.constrain = func(t *tx, r row) error {
		if r["display_type"] == nil && (r["product_id"] == nil || r["product_uom"] == nil) {
			return validationError("Missing required fields on accountable sale order line.")
		}
		return nil
	}
	m.unlinking = func(t *tx, ids []int64) error {
		for _, id := range ids {
			if r := t.row("sale.order.line", id); r != nil && t.order(r)["state"] == "sale" && r["display_type"] == nil {
				return userError("Once a sales order is confirmed, you can't remove one of its lines (we need to track if something gets invoiced or delivered).\n                Set the quantity to 0 instead.")
			}
		}
		return nil
	}
	return m
}

// order is the order of a line, an empty row when it has none.
func (t *tx) order(line row) row {
	if id, ok := line["order_id"].(int64); ok {
		if r := t.row("sale.order", id); r != nil {
			return r
		}
	}
	return row{}
}

// completeLine takes name, unit and price from the product.
func completeLine(t *tx, r row) error {
	if err := t.exists(r, "order_id", "sale.order"); err != nil {
		return err
	}
	if err := t.exists(r, "product_id", "product.product"); err != nil {
		return err
	}
	id, ok := r["product_id"].(int64)
	if !ok {
		if r["price_unit"] == nil {
			r["price_unit"] = 0.0
		}
		return nil
	}
	product := t.row("product.product", id)
	if r["name"] == nil {
		r["name"] = t.displayName("product.product", id)
	}
	if r["product_uom"] == nil {
		r["product_uom"] = product["uom_id"]
	}
	if r["price_unit"] == nil {
		r["price_unit"] = product["list_price"]
	}
	return nil
}
