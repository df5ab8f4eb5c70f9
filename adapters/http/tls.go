package http

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// clientTLS is that of requests.
func clientTLS(t TLS) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.Insecure}
	if t.CA != "" {
		pool, err := authorities(string(t.CA))
		if err != nil {
			return nil, fmt.Errorf("tls: ca: %w", err)
		}
		c.RootCAs = pool
	}
	if t.Cert != "" {
		p := &pair{cert: string(t.Cert), key: string(t.Key)}
		if _, err := p.get(); err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.get() }
	}
	return c, nil
}

// serverTLS is that of the listener; nil without a certificate.
func serverTLS(t TLS) (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	p := &pair{cert: string(t.Cert), key: string(t.Key)}
	if _, err := p.get(); err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.get() }}
	if t.ClientCA != "" {
		pool, err := authorities(string(t.ClientCA))
		if err != nil {
			return nil, fmt.Errorf("tls: client-ca: %w", err)
		}
		c.ClientCAs, c.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	return c, nil
}

func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read", filepath.Base(file))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", filepath.Base(file))
	}
	return pool, nil
}

// pair is a certificate and its key, read again when the file has changed: renewal needs no restart.
type pair struct {
	cert, key string

	mu      sync.Mutex // guards what follows
	loaded  *tls.Certificate
	changed time.Time
	looked  time.Time
}

// lookAgain is how often the file is looked at.
const lookAgain = 10 * time.Second

func (p *pair) get() (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loaded != nil && time.Since(p.looked) < lookAgain {
		return p.loaded, nil
	}
	p.looked = time.Now()
	info, err := os.Stat(p.cert)
	if err == nil && p.loaded != nil && info.ModTime().Equal(p.changed) {
		return p.loaded, nil
	}
	c, lerr := tls.LoadX509KeyPair(p.cert, p.key)
	if lerr != nil {
		if p.loaded != nil { // half-renewed: the old one serves until both fit
			return p.loaded, nil
		}
		return nil, fmt.Errorf("tls: the certificate %s and key %s cannot be used: they are missing, not PEM, or do not belong together", filepath.Base(p.cert), filepath.Base(p.key))
	}
	p.loaded = &c
	if err == nil {
		p.changed = info.ModTime()
	}
	return p.loaded, nil
}
