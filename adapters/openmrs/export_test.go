package openmrs

import (
	"context"
	"net/http"

	"github.com/njia-health/njia/engine/adapter"
)

// DefaultChanges are what a route's with is put over.
func DefaultChanges() Changes { return changesDefaults }

// OpenOver opens a client whose requests go to rt, and so needs no network.
func OpenOver(env adapter.Env, s Settings, rt http.RoundTripper) (*client, error) {
	d := Adapter().Settings.(Settings)
	d.URL, d.Auth = s.URL, s.Auth
	if s.PageSize > 0 {
		d.PageSize = s.PageSize
	}
	c, err := open(context.Background(), env, d)
	if err == nil {
		c.http = d.client(rt)
	}
	return c, err
}

// Changes runs the source.
func (c *client) Changes(ctx context.Context, w Changes, in adapter.Inbox) error {
	return c.changes(ctx, w, in)
}
