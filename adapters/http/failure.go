package http

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	nethttp "net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/njia-health/njia/engine/fault"
)

// maxKept is how much of a refusing answer is kept with the attempt.
const maxKept = 64 << 10

func clip(b []byte) []byte { return b[:min(len(b), maxKept)] }

// what names a request without its query, which may hold secrets or patient data.
func what(k call) string {
	return k.method + " " + k.url.Scheme + "://" + k.url.Host + k.url.EscapedPath()
}

// judge gives the fault of an answer, or nil.
func judge(k call, resp *nethttp.Response, body []byte) error {
	status := resp.StatusCode
	class := fault.FromHTTP(status)
	if class == "" || slices.Contains(k.accept, status) {
		return nil
	}
	f := fault.New(class, "%s: answered %d", what(k), status)
	if text := nethttp.StatusText(status); text != "" {
		f.Text += " " + text
	}
	f.Status, f.Answer, f.RetryAfter = status, clip(body), RetryAfter(resp.Header, time.Now())
	switch {
	case status >= 300 && status < 400:
		f.Text += redirectText(k, resp)
	case status == nethttp.StatusUnauthorized:
		f.Text += "; check auth: of the system"
	case status == nethttp.StatusGatewayTimeout && !k.again:
		// The gateway stopped waiting: what stands behind it may have done it.
		f.Class = fault.Unknown
	}
	return f
}

func redirectText(k call, resp *nethttp.Response) string {
	to, err := resp.Location()
	switch {
	case err != nil:
		return ""
	case to.Host != k.url.Host:
		return "; it leads to " + to.Scheme + "://" + to.Host + ", another host, which is not followed"
	}
	return "; it leads to " + to.Scheme + "://" + to.Host + to.EscapedPath() + "; ask there"
}

// RetryAfter reads the header of that name: seconds, or a date. 0 is none.
func RetryAfter(h nethttp.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseInt(text, 10, 32); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if at, err := nethttp.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// lost is a request without an answer. Where it may have been done, and doing it twice is not doing it once, nobody knows.
func lost(k call, err error, sent bool) error {
	var done *fault.Error
	if errors.As(err, &done) { // of the token server: nothing was sent
		c := *done
		c.Text = what(k) + ": " + done.Text
		return &c
	}
	f := fault.New(fault.Transient, "%s: %s", what(k), reason(k.url.Host, err))
	if sent && !k.again {
		f.Class = fault.Unknown
		f.Text += "; it may have been done"
	}
	return f
}

// reason is an error of the network in words for an operator. The library's own text quotes the address with its query.
func reason(host string, err error) string {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var cert x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var ue *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "given up before the answer came"
	case errors.As(err, &dns):
		return "the name " + dns.Name + " is not known; check url, or the name server"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing answers at " + host
	case errors.As(err, &unknown):
		return "its certificate comes from an authority that is not known; give it in tls: { ca: … }"
	case errors.As(err, &wrongName):
		return "its certificate is for another name"
	case errors.As(err, &cert):
		return "its certificate is not valid, or not any more"
	case errors.As(err, &record):
		return "it does not speak TLS; is it http:// and not https://?"
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		return "there is no way through the network to " + host
	case errors.As(err, &ue) && strings.Contains(ue.Err.Error(), "HTTP response to HTTPS client"):
		return "it does not speak TLS; is it http:// and not https://?"
	}
	return "the connection broke"
}
