package auth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/njia-health/njia/engine/fault"
)

// oauth fetches a token, renews it before it ends, and once more when the system answers 401.
type oauth struct {
	base   http.RoundTripper
	config clientcredentials.Config
	client *http.Client  // of the token server
	turn   chan struct{} // holds one value: who has it may use token
	token  *oauth2.Token
}

// tokenTimeout bounds a fetch whose request has no deadline.
const tokenTimeout = 30 * time.Second

func newOAuth(o OAuth2, base http.RoundTripper) *oauth {
	c := clientcredentials.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret.Reveal(), TokenURL: o.TokenURL, Scopes: o.Scopes}
	if len(o.Params) > 0 {
		c.EndpointParams = map[string][]string{}
		for k, v := range o.Params {
			c.EndpointParams.Set(k, v)
		}
	}
	switch o.Style {
	case "header":
		c.AuthStyle = oauth2.AuthStyleInHeader
	case "params":
		c.AuthStyle = oauth2.AuthStyleInParams
	}
	out := &oauth{base: base, config: c, turn: make(chan struct{}, 1), client: &http.Client{
		Transport: base, Timeout: tokenTimeout,
		// A redirect of the token request would hand the client secret to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	out.turn <- struct{}{}
	return out
}

// get gives a token that is not stale: one that the system has just refused.
func (o *oauth) get(ctx context.Context, stale string) (*oauth2.Token, error) {
	select {
	case <-o.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { o.turn <- struct{}{} }()
	if o.token.Valid() && o.token.AccessToken != stale {
		return o.token, nil
	}
	o.token = nil
	t, err := o.config.Token(context.WithValue(ctx, oauth2.HTTPClient, o.client))
	if err != nil {
		return nil, tokenFault(err)
	}
	o.token = t
	return t, nil
}

// tokenFault never shows the library's text: it may quote the request.
func tokenFault(err error) error {
	var re *oauth2.RetrieveError
	if errors.As(err, &re) && re.Response != nil {
		status := re.Response.StatusCode
		class := fault.FromHTTP(status)
		if class != fault.Transient { // RFC 6749 section 5.2: 400 invalid_client, invalid_scope …
			class = fault.Unauthorized
		}
		f := fault.New(class, "the token server answered %d", status)
		if re.ErrorCode != "" {
			f.Text += " " + re.ErrorCode
		}
		f.Status = status
		return f
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Transient, "the token server gave no answer in time")
	case errors.Is(err, context.Canceled):
		return &fault.Error{Class: fault.Transient, Text: "given up while waiting for the token server", Err: context.Canceled}
	}
	return fault.New(fault.Transient, "the token server gave no token; check that it answers at its token-url")
}

func (o *oauth) RoundTrip(r *http.Request) (*http.Response, error) {
	if strayed(r) {
		return o.base.RoundTrip(r)
	}
	t, err := o.get(r.Context(), "")
	if err != nil {
		closeBody(r)
		return nil, err
	}
	resp, err := o.send(r, t, r.Body)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	body := r.Body
	if body != nil && body != http.NoBody {
		if r.GetBody == nil {
			return resp, nil
		}
		if body, err = r.GetBody(); err != nil {
			return resp, nil //nolint:nilerr // the refusal is the answer
		}
	}
	fresh, err := o.get(r.Context(), t.AccessToken)
	if err != nil || fresh.AccessToken == t.AccessToken {
		return resp, nil //nolint:nilerr // the refusal is the answer
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	resp.Body.Close()
	return o.send(r, fresh, body)
}

func (o *oauth) send(r *http.Request, t *oauth2.Token, body io.ReadCloser) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Body = body
	t.SetAuthHeader(r)
	return o.base.RoundTrip(r)
}

// CloseIdleConnections passes on what http.Client.CloseIdleConnections asks.
func (o *oauth) CloseIdleConnections() { closeIdle(o.base) }

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}
