package expr_test

import (
	"context"
	"fmt"

	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/message"
)

func Example() {
	c := expr.New(expr.Options{})
	body, err := message.Decode([]byte(`{"status": "active", "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}}`))
	if err != nil {
		fmt.Println(err)
	}
	scope := &expr.Scope{Body: body}
	at := diag.Pos{File: "orders.yaml", Line: 4, Col: 7}

	guard, errs := c.Guard(expr.Text{Src: `body.status == "active" && body.subject.reference != "Patient/1"`, Pos: at}, expr.InRoute)
	if errs.Failed() {
		fmt.Println(errs)
	}
	fmt.Println(guard.Eval(context.Background(), scope))

	mapping, errs := c.JQ(expr.Text{Src: `{ code: .code | code("http://loinc.org"), patient: .subject.reference }`, Pos: at}, "", expr.InRoute)
	if errs.Failed() {
		fmt.Println(errs)
	}
	fmt.Println(mapping.Run(context.Background(), scope))

	_, errs = c.Template(expr.Text{Src: `orders/${bdy.id}`, Pos: at}, expr.InRoute)
	fmt.Println(errs, "—", errs[0].Hint)
	// Output:
	// true <nil>
	// [map[code:718-7 patient:<nil>]] <nil>
	// orders.yaml:4:16: there is no name "bdy" here — did you mean "body"?
}
