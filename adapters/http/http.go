// Package http receives messages over HTTP and sends requests.
//
//	client ── POST /lab ──> listener (one a system) ── who is it? how large? ──> Inbox ── Reply ──> 202, or the route's reply
//	operation ── with auth, headers, time-out ──> url ── status ──> answer, or a fault with its class
package http

import (
	"context"
	"fmt"
	"net"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/njia-health/njia/adapters/http/auth"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Adapter is this package's one declaration.
func Adapter() *adapter.Definition {
	shared := newPorts()
	return adapter.Define("http", "HTTP: receives requests on a listener, and sends them", Settings{Timeout: 30 * time.Second, MaxAnswer: 32 << 20, InFlight: 256 << 20},
		func(ctx context.Context, env adapter.Env, s Settings) (*system, error) {
			return open(ctx, env, s, shared)
		},
		adapter.Source("receive", "each request to a path is a message; it is answered with 202 {id, outcome}, or with the route's reply", "json",
			Receive{Methods: []string{"POST"}}, (*system).receive),
		adapter.Fits[*system]("receive", fits),
		adapter.Operation("get", "asks with GET; the answer is the body, or all pages of it", adapter.Reads, Get{Paging: Paging{MaxPages: 100}}, (*system).get),
		adapter.Operation("request", "sends the message; the answer is the body", adapter.Writes,
			Request{Method: "POST", Paging: Paging{MaxPages: 100}}, (*system).request),
		adapter.IdempotentIf[*system]("request", Request.repeatable),
		adapter.Health((*system).health),
	)
}

// Settings are those of a system document.
type Settings struct {
	URL       string            `yaml:"url" doc:"where requests go, such as https://lab.example.org/api; paths of operations are put after it"`
	Auth      auth.Auth         `yaml:"auth" doc:"how requests show who sends them; only requests to url carry it"`
	Headers   map[string]string `yaml:"headers" doc:"headers of every request to url"`
	Timeout   time.Duration     `yaml:"timeout" doc:"how long one request may take"`
	MaxAnswer bind.Size         `yaml:"max-answer" doc:"largest answer that is read, all pages together"`
	Listen    string            `yaml:"listen" doc:"address to receive at, such as 127.0.0.1:8080 or :8443"`
	Clients   map[string]Client `yaml:"clients" doc:"who may send to the listener, by a name that rules see in the header http-client"`
	InFlight  bind.Size         `yaml:"max-in-flight" doc:"bodies of all received requests that are under way, together; over it they are told to come back"`
	TLS       TLS               `yaml:"tls" doc:"certificates"`
	Insecure  bool              `yaml:"insecure" doc:"allow a listener that other computers reach without tls or without clients"`
}

// Client is one that may send to the listener. It shows one of what is given.
type Client struct {
	Basic  *auth.Basic  `yaml:"basic" doc:"user name and password"`
	Bearer *auth.Bearer `yaml:"bearer" doc:"a token"`
	Header *auth.Header `yaml:"header" doc:"a header with a secret value"`
	HMAC   *auth.HMAC   `yaml:"hmac" doc:"a signature over the body as it was sent"`
}

// TLS is certificates.
type TLS struct {
	Cert     bind.Path `yaml:"cert" doc:"certificate of the listener, which requests show too; PEM, read again when it changes"`
	Key      bind.Path `yaml:"key" doc:"its key; PEM"`
	CA       bind.Path `yaml:"ca" doc:"authorities that the certificate of url must come from; PEM. The system's own unless said otherwise"`
	ClientCA bind.Path `yaml:"client-ca" doc:"authorities that the certificates of clients must come from; PEM. Given, every client needs one"`
	Insecure bool      `yaml:"insecure" doc:"take any certificate of url: for a test only"`
}

// BindNode reads the settings and finds those that do not go together.
func (s *Settings) BindNode(n *bind.Node) diag.List {
	type fields Settings
	errs := bind.Decode(n, (*fields)(s))
	wrong := func(key, hint, format string, args ...any) {
		at, v := n.Pos, n.Get(key)
		if v != nil {
			if v.Hole {
				return
			}
			at = v.Pos
		}
		errs.Add(diag.Errorf(at, format, args...).WithHint("%s", hint))
	}
	if s.URL == "" && s.Listen == "" {
		wrong("", "url: https://lab.example.org to send, listen: 127.0.0.1:8080 to receive, or both", "give url or listen")
	}
	if s.URL != "" {
		if _, err := baseURL(s.URL); err != nil {
			wrong("url", "write it as in https://lab.example.org/api; a password stands in auth:", "url is no web address")
		}
	}
	if err := s.Auth.Check(); err != nil {
		wrong("auth", "one of basic, bearer, oauth2, header, hmac", "%s", err)
	}
	if s.URL == "" && (!s.Auth.Empty() || len(s.Headers) > 0) {
		wrong("auth", "add url: auth and headers are sent there only. Who may send to the listener stands in clients:", "auth and headers need url")
	}
	for name, c := range s.Clients {
		if (c == Client{}) {
			wrong("clients", "one of basic, bearer, header, hmac", "client %s shows nothing", name)
		}
	}
	if s.Timeout <= 0 {
		wrong("timeout", "such as 30s", "timeout is a length of time, and not nothing")
	}
	if s.MaxAnswer <= 0 {
		wrong("max-answer", "such as 32MB", "max-answer is a size, and not nothing")
	}
	if s.InFlight <= 0 {
		wrong("max-in-flight", "such as 256MB", "max-in-flight is a size, and not nothing")
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		wrong("tls", "give both", "a certificate and its key go together")
	}
	if s.Listen != "" {
		s.checkListen(wrong)
	}
	return errs
}

func (s *Settings) checkListen(wrong func(key, hint, format string, args ...any)) {
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil || port == "" {
		wrong("listen", "such as 127.0.0.1:8080, or :8443 for all addresses of the computer", "%q is no address to listen at", s.Listen)
		return
	}
	if isLoopback(host) || s.Insecure {
		return
	}
	if s.TLS.Cert == "" {
		wrong("listen", "add tls: { cert: …, key: … }, listen at 127.0.0.1, or say insecure: true where the network is trusted",
			"other computers reach %s, so it needs tls", s.Listen)
	}
	if len(s.Clients) == 0 && s.TLS.ClientCA == "" {
		wrong("listen", "add clients: { lab: { bearer: { token: \"${secret.lab_token}\" } } }, listen at 127.0.0.1, or say insecure: true where the network is trusted",
			"other computers reach %s, so it needs to know its clients", s.Listen)
	}
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func baseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("no web address")
	}
	return u, nil
}

// system is the connection.
type system struct {
	env    adapter.Env
	s      Settings
	base   *url.URL        // nil: none
	client *nethttp.Client // to base, with credentials
	plain  *nethttp.Client // to anywhere else, without
	server *server         // nil: no listener
	pools  *pools
}

func open(ctx context.Context, env adapter.Env, s Settings, shared *ports) (*system, error) {
	c := &system{env: env, s: s}
	config, err := clientTLS(s.TLS)
	if err != nil {
		return nil, err
	}
	c.pools = newPools(config)
	c.plain = &nethttp.Client{Transport: c.pools, CheckRedirect: redirect}
	c.client = s.Auth.Client(c.plain)
	if s.URL != "" {
		if c.base, err = baseURL(s.URL); err != nil {
			return nil, fmt.Errorf("url is no web address")
		}
	}
	if s.Listen == "" {
		return c, nil
	}
	c.server, err = shared.open(ctx, env, s)
	return c, err
}

// redirect follows within the same host, or from http to https there, and only where the method stays: a POST that became a
// GET would look like success.
func redirect(req *nethttp.Request, via []*nethttp.Request) error {
	from := via[0].URL
	same := req.URL.Host == from.Host && req.URL.Scheme == from.Scheme
	upgrade := req.URL.Scheme == "https" && from.Scheme == "http" && strings.EqualFold(req.URL.Hostname(), from.Hostname())
	if !same && !upgrade || req.Method != via[0].Method || len(via) >= 10 {
		return nethttp.ErrUseLastResponse
	}
	return nil
}

// Close stops receiving and drops idle connections.
func (c *system) Close() error {
	c.pools.CloseIdleConnections()
	if c.server != nil {
		return c.server.close()
	}
	return nil
}

// health asks url. What it answers matters little; that it does, and takes the credentials, does.
func (c *system) health(ctx context.Context) error {
	if c.base == nil {
		return nil
	}
	_, err := c.exchange(ctx, call{method: "GET", url: c.base, accept: anyStatusBut5xx(), again: true})
	return err
}

func anyStatusBut5xx() []int {
	var out []int
	for s := 300; s < 500; s++ {
		if !slices.Contains([]int{401, 429}, s) {
			out = append(out, s)
		}
	}
	return out
}
