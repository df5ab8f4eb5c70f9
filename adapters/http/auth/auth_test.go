package auth_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/njia-health/njia/adapters/http/auth"
	"github.com/njia-health/njia/engine/bind"
)

func TestEachWayAndOnlyToItsHost(t *testing.T) {
	seen := func(r *http.Request) string {
		return r.Header.Get("Authorization") + r.Header.Get("X-Api-Key") + r.Header.Get("X-Signature")
	}
	var away string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { away += "asked " + seen(r) }))
	defer other.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		case "/near":
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		default:
			io.WriteString(w, seen(r))
		}
	}))
	defer srv.Close()
	body := `{"n":1}`
	for name, c := range map[string]struct {
		auth auth.Auth
		want string
	}{
		"basic":  {auth.Auth{Basic: &auth.Basic{Username: "é", Password: "p:w"}}, "Basic w6k6cDp3"},
		"bearer": {auth.Auth{Bearer: &auth.Bearer{Token: "t"}}, "Bearer t"},
		"header": {auth.Auth{Header: &auth.Header{Name: "X-Api-Key", Value: "k"}}, "k"},
		"hmac":   {auth.Auth{HMAC: &auth.HMAC{Key: "k", Prefix: "v1="}}, auth.HMAC{Key: "k", Prefix: "v1="}.Signature([]byte(body), time.Time{})},
	} {
		client := c.auth.Client(nil)
		for path, want := range map[string]string{"/": c.want, "/near": c.want, "/away": ""} {
			req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s %s: %v", name, path, err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(b) != want || (path == "/away") != (resp.StatusCode == http.StatusTemporaryRedirect) {
				t.Errorf("%s %s: %s %q, %v, want %q", name, path, resp.Status, b, err, want)
			}
			if seen(req) != "" {
				t.Errorf("%s: the caller's request was changed", name)
			}
		}
		// A caller that follows by itself, as http.Client without our CheckRedirect does.
		bare := &http.Client{Transport: c.auth.RoundTripper(nil)}
		resp, err := bare.Post(srv.URL+"/away", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if strings.Trim(away, "asked ") != "" {
		t.Errorf("the other host was shown %q", away)
	}
}

func TestSignatures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := auth.HMAC{
			Key:       bind.Secret(rapid.String().Draw(t, "key")),
			Algorithm: rapid.SampledFrom([]string{"", "sha256", "sha512", "sha1"}).Draw(t, "algorithm"),
			Encoding:  rapid.SampledFrom([]string{"", "hex", "base64"}).Draw(t, "encoding"),
			Prefix:    rapid.SampledFrom([]string{"", "sha256=", "v1,"}).Draw(t, "prefix"),
			Timestamp: rapid.SampledFrom([]string{"", "X-Time"}).Draw(t, "timestamp"),
		}
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "sent"), 0)
		off := time.Duration(rapid.IntRange(-900, 900).Draw(t, "seconds between")) * time.Second
		headers := http.Header{}
		headers.Set("X-Signature", h.Signature(body, at))
		headers.Set("X-Time", strconv.FormatInt(at.Unix(), 10))
		late := h.Timestamp != "" && off.Abs() > 5*time.Minute
		if err := h.Verify(headers, body, at.Add(off)); (err != nil) != late {
			t.Fatalf("Verify %s after it was signed: %v", off, err)
		}
		if h.Verify(headers, append(body, 'x'), at) == nil {
			t.Fatal("another body passes")
		}
		other := h
		other.Key += "x"
		if other.Verify(headers, body, at) == nil {
			t.Fatal("another key passes")
		}
		if h.Timestamp != "" {
			headers.Set("X-Time", strconv.FormatInt(at.Unix()+1, 10))
			if h.Verify(headers, body, at) == nil {
				t.Fatal("another time passes")
			}
		}
	})
	if err := (auth.HMAC{Key: "k"}).Verify(http.Header{}, nil, time.Now()); err == nil {
		t.Error("no signature passes")
	}
}

func TestCheck(t *testing.T) {
	for want, a := range map[string]auth.Auth{
		"<nil>": {},
		"auth: several ways to log in are given; keep one of basic, bearer, oauth2, header and hmac": {Basic: &auth.Basic{}, Bearer: &auth.Bearer{}},
		"auth: oauth2: token-url is no web address; write it as in https://id.example.org/token":     {OAuth2: &auth.OAuth2{TokenURL: "id.example.org"}},
		"auth: header: the name or value has characters that a header cannot have":                   {Header: &auth.Header{Name: "X", Value: "a\nb"}},
	} {
		if got := fmt.Sprint(a.Check()); got != want {
			t.Errorf("Check() = %s, want %s", got, want)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	a := auth.Auth{Basic: &auth.Basic{Username: "u", Password: "hidden"}, OAuth2: &auth.OAuth2{ClientSecret: "hidden", TokenURL: (&url.URL{}).String()}}
	if s := fmt.Sprintf("%v %+v %#v %v", *a.Basic, *a.Basic, *a.OAuth2, *a.OAuth2); strings.Contains(s, "hidden") {
		t.Errorf("printed: %s", s)
	}
}
