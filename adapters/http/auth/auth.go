// Package auth puts credentials on HTTP requests: basic, bearer, OAuth2 client credentials, a header, or a signature.
//
//	Auth (settings) ── Client ──> *http.Client whose requests carry the credentials, to the host they are meant for only
package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/bind"
)

// Auth is how requests show who sends them. At most one is given; none sends nothing.
type Auth struct {
	Basic  *Basic  `yaml:"basic" doc:"user name and password"`
	Bearer *Bearer `yaml:"bearer" doc:"a token that does not change"`
	OAuth2 *OAuth2 `yaml:"oauth2" doc:"OAuth2 client credentials: a token is fetched and renewed"`
	Header *Header `yaml:"header" doc:"a header of your own, such as X-Api-Key"`
	HMAC   *HMAC   `yaml:"hmac" doc:"every body is signed with a shared key"`
}

// Basic is RFC 7617.
type Basic struct {
	Username string      `yaml:"username,required" doc:"user name"`
	Password bind.Secret `yaml:"password,required" doc:"password"`
}

// Bearer is RFC 6750 with a token that somebody issued by hand.
type Bearer struct {
	Token bind.Secret `yaml:"token,required" doc:"the token"`
}

// OAuth2 is RFC 6749 section 4.4.
type OAuth2 struct {
	TokenURL     string            `yaml:"token-url,required" doc:"where tokens are issued, such as https://id.example.org/token"`
	ClientID     string            `yaml:"client-id,required" doc:"id of this client"`
	ClientSecret bind.Secret       `yaml:"client-secret,required" doc:"its secret"`
	Scopes       []string          `yaml:"scopes" doc:"scopes to ask for"`
	Params       map[string]string `yaml:"params" doc:"more parameters of the token request, such as audience"`
	Style        string            `yaml:"style" enum:"auto,header,params" doc:"how the client names itself to the token server; auto finds out"`
}

// Header is one header with a secret value.
type Header struct {
	Name  string      `yaml:"name,required" doc:"name of the header, such as X-Api-Key"`
	Value bind.Secret `yaml:"value,required" doc:"its value"`
}

// HMAC signs the raw body. With a timestamp header the signed text is the timestamp, a full stop and the body.
type HMAC struct {
	Key       bind.Secret   `yaml:"key,required" doc:"the shared key"`
	Header    string        `yaml:"header" doc:"header that holds the signature; X-Signature unless said otherwise"`
	Algorithm string        `yaml:"algorithm" enum:"sha256,sha512,sha1" doc:"hash; sha256 unless said otherwise, sha1 only for what cannot do better"`
	Encoding  string        `yaml:"encoding" enum:"hex,base64" doc:"how the signature is written; hex unless said otherwise"`
	Prefix    string        `yaml:"prefix" doc:"text before the signature, such as sha256="`
	Timestamp string        `yaml:"timestamp" doc:"header that holds the time of sending in seconds since 1970, which is signed too"`
	Tolerance time.Duration `yaml:"tolerance" doc:"how far that time may be off when it is received; 5m unless said otherwise"`
}

// Check says what is wrong with a in words for the implementer, or nil.
func (a Auth) Check() error {
	var given []string
	for name, is := range map[string]bool{"basic": a.Basic != nil, "bearer": a.Bearer != nil, "oauth2": a.OAuth2 != nil,
		"header": a.Header != nil, "hmac": a.HMAC != nil} {
		if is {
			given = append(given, name)
		}
	}
	if len(given) > 1 {
		return errors.New("auth: several ways to log in are given; keep one of basic, bearer, oauth2, header and hmac")
	}
	if o := a.OAuth2; o != nil {
		u, err := url.Parse(o.TokenURL)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return errors.New("auth: oauth2: token-url is no web address; write it as in https://id.example.org/token")
		}
	}
	if h := a.Header; h != nil && (strings.ContainsAny(h.Name, " :\r\n") || strings.ContainsAny(h.Value.Reveal(), "\r\n")) {
		return errors.New("auth: header: the name or value has characters that a header cannot have")
	}
	return nil
}

// Empty says that no credentials are given.
func (a Auth) Empty() bool { return a == Auth{} }

// Client gives a copy of base (nil: an empty one) whose requests carry the credentials. They go to the host of the first
// request only: a redirect to another host is not followed but given back as the answer. A request whose credentials the
// token server refuses fails with a *fault.Error.
func (a Auth) Client(base *http.Client) *http.Client {
	c := http.Client{}
	if base != nil {
		c = *base
	}
	c.Transport = a.RoundTripper(c.Transport)
	if !a.Empty() {
		before := c.CheckRedirect
		c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
			if !sameOrigin(req.URL, via[0].URL) {
				return http.ErrUseLastResponse
			}
			if before != nil {
				return before(req, via)
			}
			if len(via) >= 10 {
				return errors.New("more than 10 redirects")
			}
			return nil
		}
	}
	return &c
}

// RoundTripper puts the credentials on the requests that go through base (nil: http.DefaultTransport).
func (a Auth) RoundTripper(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	switch {
	case a.Basic != nil:
		return &trip{base: base, sign: func(r *http.Request) error {
			r.SetBasicAuth(a.Basic.Username, a.Basic.Password.Reveal())
			return nil
		}}
	case a.Bearer != nil:
		return &trip{base: base, sign: func(r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+a.Bearer.Token.Reveal())
			return nil
		}}
	case a.Header != nil:
		return &trip{base: base, sign: func(r *http.Request) error {
			r.Header.Set(a.Header.Name, a.Header.Value.Reveal())
			return nil
		}}
	case a.HMAC != nil:
		return &trip{base: base, sign: a.HMAC.sign}
	case a.OAuth2 != nil:
		return newOAuth(*a.OAuth2, base)
	}
	return base
}

// trip signs a copy of every request that goes to where the caller sent it.
type trip struct {
	base http.RoundTripper
	sign func(*http.Request) error
}

func (t *trip) RoundTrip(r *http.Request) (*http.Response, error) {
	if strayed(r) {
		return t.base.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	if err := t.sign(r); err != nil {
		return nil, err
	}
	return t.base.RoundTrip(r)
}

// CloseIdleConnections passes on what http.Client.CloseIdleConnections asks.
func (t *trip) CloseIdleConnections() { closeIdle(t.base) }

func closeIdle(rt http.RoundTripper) {
	if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// strayed says that a redirect led r away from the host that its caller chose.
func strayed(r *http.Request) bool {
	first := r
	for first.Response != nil && first.Response.Request != nil {
		first = first.Response.Request
	}
	return !sameOrigin(r.URL, first.URL)
}

// sameOrigin lets http become https on the same host name; never the other way.
func sameOrigin(to, from *url.URL) bool {
	if to.Scheme == from.Scheme {
		return strings.EqualFold(to.Host, from.Host)
	}
	return to.Scheme == "https" && from.Scheme == "http" && strings.EqualFold(to.Hostname(), from.Hostname())
}
