package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/njia-health/njia/engine/bind"
)

func TestATakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var log bytes.Buffer
	l := listener{addr: taken.Addr().String()}
	if n, err := l.open(slog.New(slog.NewTextHandler(&log, nil))); n != nil || err != nil || !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "listen: off") {
		t.Errorf("the default port is taken: %v, %v, log %s", n, err, &log)
	}
	l.chosen = true
	_, err = l.open(slog.New(slog.DiscardHandler))
	if e := (*exit)(nil); !errors.As(err, &e) || e.code != exitFindings || e.next == "" {
		t.Errorf("a chosen port is taken: %v", err)
	}
	l.addr = "203.0.113.1:80" // no address of this machine (RFC 5737)
	if _, err = l.open(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "cannot be opened") {
		t.Errorf("an address of another machine: %v", err)
	}
	if n, err := (listener{addr: listenOff}).open(nil); n != nil || err != nil {
		t.Errorf("off: %v, %v", n, err)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{"127.0.0.1": true, "127.9.9.9": true, "::1": true, "localhost": true, "LOCALHOST": true,
		"": false, "0.0.0.0": false, "::": false, "192.168.1.2": false, "localhost.example.org": false} {
		if got := loopback(host); got != want {
			t.Errorf("loopback(%q) = %v, want %v", host, got, want)
		}
	}
}

func TestTLSAndToken(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCert(t, cert, key, 1)
	l := listener{addr: "127.0.0.1:0", tls: &listenTLS{Cert: bind.Path(cert), Key: bind.Path(key)}, auth: &listenAuth{Bearer: "token-1"}}
	n, err := l.open(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: l.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "metrics") }))}
	go s.Serve(n)
	defer s.Close()
	get := func(token string) (int, int64) {
		t.Helper()
		c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // the test's own certificate
		defer c.CloseIdleConnections()
		r, err := http.NewRequest("GET", "https://"+n.Addr().String()+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", token)
		}
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode, resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	for token, want := range map[string]int{"": 401, "Bearer token-2": 401, "token-1": 401, "Bearer token-1 ": 401, "Bearer token-1": 200} {
		if token == "Bearer token-1 " {
			continue // the client trims it
		}
		if got, _ := get(token); got != want {
			t.Errorf("with %q the answer is %d, want %d", token, got, want)
		}
	}
	// A certificate that is renewed is used without a restart; one that is being written does no harm.
	if err := os.WriteFile(cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	os.Chtimes(cert, later, later)
	if code, serial := get("Bearer token-1"); code != 200 || serial != 1 {
		t.Errorf("while the certificate is written: %d, number %d", code, serial)
	}
	writeCert(t, cert, key, 2)
	if code, serial := get("Bearer token-1"); code != 200 || serial != 2 {
		t.Errorf("after the renewal: %d, number %d", code, serial)
	}
	l.tls.Cert = bind.Path(filepath.Join(dir, "none.pem"))
	if _, err := l.open(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "there is no certificate") {
		t.Errorf("without a certificate: %v", err)
	}
}

func writeCert(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "njia"}, NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kb, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{key: {Type: "PRIVATE KEY", Bytes: kb}, cert: {Type: "CERTIFICATE", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("NJIA_SECRETS_DIR", dir)
	t.Setenv("NJIA_SECRET_ODOO_PASSWORD", "from the environment")
	for name, text := range map[string]string{"odoo-password": "from a file", "lab": "two lines\nof it\r\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"odoo-password": "from the environment", "odoo_password": "from the environment", "lab": "two lines\nof it"} {
		if got, ok := secret(name); !ok || got != want {
			t.Errorf("secret(%s) = %q, %v, want %q", name, got, ok, want)
		}
	}
	for _, name := range []string{"none", "../lab", "", ".", ".."} {
		if got, ok := secret(name); ok {
			t.Errorf("secret(%q) = %q", name, got)
		}
	}
}
