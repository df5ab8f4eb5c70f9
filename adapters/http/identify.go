package http

import (
	"crypto/sha256"
	"crypto/subtle"
	nethttp "net/http"
	"slices"
	"strings"
	"time"
)

// anyone is who sends to a listener without clients.
const anyone = "-"

// identify names the client whose credentials stand in the headers. unsure says that a signature may still tell once the
// body is known. All are compared, in constant time.
func identify(clients map[string]Client, h nethttp.Header) (who string, unsure bool) {
	if len(clients) == 0 {
		return anyone, false
	}
	user, password, basic := (&nethttp.Request{Header: h}).BasicAuth()
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	bearer := strings.EqualFold(scheme, "Bearer")
	for name, c := range clients {
		switch {
		case basic && c.Basic != nil && equal(user, c.Basic.Username)&equal(password, c.Basic.Password.Reveal()) == 1,
			bearer && c.Bearer != nil && equal(strings.TrimSpace(token), c.Bearer.Token.Reveal()) == 1,
			c.Header != nil && h.Get(c.Header.Name) != "" && equal(h.Get(c.Header.Name), c.Header.Value.Reveal()) == 1:
			who = name
		case c.HMAC != nil && h.Get(c.HMAC.SignatureHeader()) != "":
			unsure = true
		}
	}
	return who, unsure
}

// equal takes the same time whatever the texts and their lengths are.
func equal(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

// verify names the client whose signature fits the body.
func verify(clients map[string]Client, h nethttp.Header, body []byte, now time.Time) (who string) {
	for name, c := range clients {
		if c.HMAC != nil && c.HMAC.Verify(h, body, now) == nil {
			who = name
		}
	}
	return who
}

// refuse says 401 and which ways there are.
func refuse(w nethttp.ResponseWriter, clients map[string]Client) {
	var ways []string
	for _, c := range clients {
		switch {
		case c.Basic != nil:
			ways = append(ways, `Basic realm="njia", charset="UTF-8"`)
		case c.Bearer != nil:
			ways = append(ways, `Bearer realm="njia"`)
		case c.HMAC != nil:
			ways = append(ways, `HMAC header="`+c.HMAC.SignatureHeader()+`"`)
		case c.Header != nil:
			ways = append(ways, `ApiKey header="`+c.Header.Name+`"`)
		}
	}
	slices.Sort(ways)
	for _, way := range slices.Compact(ways) {
		w.Header().Add("WWW-Authenticate", way)
	}
	problem(w, nethttp.StatusUnauthorized, "who sends this is not known here")
}
