package http

import (
	"context"
	"crypto/tls"
	nethttp "net/http"
	"time"
)

// pools are the connections of a system. A server closes those that are idle for too long for it, and a request that is
// written at that very moment has a lost answer. Where it cannot be sent again, only a connection that has just been used
// carries it.
type pools struct {
	again, once *nethttp.Transport
}

// How long a connection may be idle. Many servers close it after 5 s, some after 2.
const (
	idleAgain = 90 * time.Second
	idleOnce  = 500 * time.Millisecond
)

func newPools(config *tls.Config) *pools {
	t := nethttp.DefaultTransport.(*nethttp.Transport).Clone()
	t.TLSClientConfig = config
	t.MaxIdleConnsPerHost = 64
	t.MaxIdleConns = 256
	t.IdleConnTimeout = idleAgain
	o := t.Clone()
	o.IdleConnTimeout = idleOnce
	return &pools{again: t, once: o}
}

// onceKey marks the context of a request that cannot be sent again.
type onceKey struct{}

func once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

func (p *pools) RoundTrip(r *nethttp.Request) (*nethttp.Response, error) {
	if r.Context().Value(onceKey{}) != nil {
		return p.once.RoundTrip(r)
	}
	return p.again.RoundTrip(r)
}

// CloseIdleConnections closes those of both.
func (p *pools) CloseIdleConnections() {
	p.again.CloseIdleConnections()
	p.once.CloseIdleConnections()
}
