package odoo_test

import (
	"context"
	"testing"

	"github.com/njia-health/njia/adapters/odoo"
	"github.com/njia-health/njia/conformance/adaptertest"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/message"
)

// Two routes that need the same partner at the same moment both find none.
func TestUpsertsOfOneRecordMakeOne(t *testing.T) {
	for name, with := range map[string]string{
		"match":       `{ model: res.partner, match: [[ref, "=", "N1"]], values: { ref: N1, name: Nuru } }`,
		"external id": `{ model: res.partner, external-id: njia.N1, values: { ref: N1, name: Nuru } }`,
		"both":        `{ model: res.partner, external-id: njia.N1, match: [[ref, "=", "N1"]], values: { ref: N1, name: Nuru } }`,
	} {
		t.Run(name, func(t *testing.T) {
			s, system := shop(t, "jsonrpc")
			conn, err := odoo.Adapter().Open(t.Context(), adapter.Env{}, adaptertest.Node(t, system, ""))
			if err != nil {
				t.Fatal(err)
			}
			const n = 8
			errs := make(chan error, n)
			for range n {
				go func() {
					_, err := odoo.Adapter().Operation("upsert").Do(context.Background(), conn, adaptertest.Node(t, with, ""), message.Message{})
					errs <- err
				}()
			}
			for range n {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			if _, err := partner(s.Server, "N1"); err != nil {
				t.Error(err)
			}
		})
	}
}
