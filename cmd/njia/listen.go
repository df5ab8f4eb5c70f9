package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/rule"
)

// defaultListen is where metrics and health are unless the engine document says so.
const defaultListen = "127.0.0.1:8440"

// listenOff in the engine document's listen: opens nothing.
const listenOff = "off"

// listenTLS is the engine document's tls:.
type listenTLS struct {
	Cert bind.Path `yaml:"cert,required" doc:"certificate file, PEM"`
	Key  bind.Path `yaml:"key,required" doc:"key file, PEM"`
}

// listenAuth is the engine document's auth:.
type listenAuth struct {
	Bearer bind.Secret `yaml:"bearer,required" doc:"token that a request has to carry"`
}

// listener is the engine document's listen:, tls: and auth:.
type listener struct {
	addr   string
	chosen bool // the document names it
	tls    *listenTLS
	auth   *listenAuth
}

// listenerOf reads the settings and finds what is wrong in them. env and secret answer ${env.X} and ${secret.X}.
func listenerOf(e *rule.Engine, env, secret func(string) (string, bool)) (listener, diag.List) {
	l := listener{addr: defaultListen}
	if e == nil {
		return l, nil
	}
	var errs diag.List
	if e.TLS != nil {
		l.tls = &listenTLS{}
		errs.Add(decodeStatic(e.TLS, env, secret, l.tls)...)
	}
	if e.Auth != nil {
		l.auth = &listenAuth{}
		errs.Add(decodeStatic(e.Auth, env, secret, l.auth)...)
	}
	if e.Listen == "" {
		return l, errs
	}
	l.addr, l.chosen = e.Listen, true
	at := e.Pos
	if n := e.Node.Get("listen"); n != nil {
		at = n.Pos
	}
	if l.addr == listenOff {
		return l, errs
	}
	host, port, err := net.SplitHostPort(l.addr)
	if err != nil || port == "" {
		errs.Add(diag.Errorf(at, "listen is an address and a port, this is %q", l.addr).WithHint("such as 127.0.0.1:8440, or off"))
		return l, errs
	}
	if !loopback(host) && (l.tls == nil || l.auth == nil) {
		errs.Add(diag.Errorf(at, "%s can be reached from other machines, so it needs tls and auth", l.addr).
			WithHint(`add tls: { cert: cert.pem, key: key.pem } and auth: { bearer: "${secret.metrics}" }, or listen on 127.0.0.1:%s`, port))
	}
	return l, errs
}

func decodeStatic(n *bind.Node, env, secret func(string) (string, bool), into any) diag.List {
	filled, errs := expr.Static(n, env, secret)
	if errs.Failed() {
		return errs
	}
	return append(errs, bind.Decode(filled, into)...)
}

// listenErrors is what is wrong in the listener's settings, where environment and secrets are not at hand.
func listenErrors(rs *rule.Set) diag.List {
	if rs == nil {
		return nil
	}
	any := func(name string) (string, bool) { return name, true }
	_, errs := listenerOf(rs.Engine, any, any)
	return errs
}

// loopback says whether only this machine can reach host.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// open starts to listen. A default port that is taken is no reason not to run: the warning says what to do.
func (l listener) open(log *slog.Logger) (net.Listener, error) {
	if l.addr == listenOff {
		return nil, nil
	}
	n, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", l.addr)
	if err != nil {
		if !l.chosen && errors.Is(err, syscall.EADDRINUSE) {
			log.Warn("metrics and health are not served: their port is taken; name another one in the engine document, as listen: 127.0.0.1:8441, or listen: off", "address", l.addr)
			return nil, nil
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, failed("stop what uses it, or name another port in the engine document", "listen: %s is taken by another program", l.addr)
		}
		return nil, failed("give an address of this machine, such as 127.0.0.1:8440", "listen: %s cannot be opened: %v", l.addr, reason(err))
	}
	if l.tls == nil {
		return n, nil
	}
	pair := &keyPair{cert: string(l.tls.Cert), key: string(l.tls.Key)}
	if _, err := pair.get(nil); err != nil {
		_ = n.Close()
		return nil, failed("both are PEM files, and the key belongs to the certificate", "tls: %v", err)
	}
	return tls.NewListener(n, &tls.Config{GetCertificate: pair.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}), nil
}

// reason is the innermost part of a network error.
func reason(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err
	}
	return err
}

// guard lets only requests with the token through, where there is one.
func (l listener) guard(h http.Handler) http.Handler {
	if l.auth == nil {
		return h
	}
	want := sha256.Sum256([]byte("Bearer " + l.auth.Bearer.Reveal()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="njia"`)
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// keyPair reads a certificate again once its file has changed, so that it can be renewed while the engine runs.
type keyPair struct {
	cert, key string
	mu        sync.Mutex // guards what follows
	at        time.Time
	pair      *tls.Certificate
}

func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	st, err := os.Stat(k.cert)
	if err == nil && k.pair != nil && st.ModTime().Equal(k.at) {
		return k.pair, nil
	}
	if err != nil && k.pair == nil {
		return nil, fmt.Errorf("there is no certificate %s", k.cert)
	}
	pair, errPair := tls.LoadX509KeyPair(k.cert, k.key)
	if errPair != nil {
		if k.pair != nil { // it is just being written: the old one is still good
			return k.pair, nil
		}
		return nil, fmt.Errorf("%s and %s cannot be used: %w", k.cert, k.key, errPair)
	}
	k.pair, k.at = &pair, st.ModTime()
	return k.pair, nil
}

// serve answers on l until ctx ends.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 16, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if s.Shutdown(stop) != nil {
			_ = s.Close()
		}
	}()
	err := s.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		<-done
		return nil
	}
	return err
}
