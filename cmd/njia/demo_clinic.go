package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/njia-health/njia/conformance/systems/odoo"
	"github.com/njia-health/njia/conformance/systems/openmrs"
)

// seedPatients is how many invented patients the demo's clinic starts with.
const seedPatients = 12

// demoPassword is what the stand-ins, which listen on this machine only and hold invented persons, know njia by.
const demoPassword = "demo"

// clinic is the stand-ins of OpenMRS and Odoo. Both remember over a restart, also over one that nobody planned: what happens
// in the clinic and what Odoo is asked are written down, line by line, and done again at the next start.
type clinic struct {
	emr  *openmrs.Server
	erp  *odoo.Server
	seed openmrs.Clinic

	emrURL, erpURL string
	servers        []*http.Server

	mu    sync.Mutex // guards what follows, and keeps what Odoo is asked in one order
	now   time.Time  // the stand-ins' clock while the past is done again; zero: the real one
	diary *os.File
	asked *os.File
	steps int
}

// entry is a line of the clinic's diary.
type entry struct {
	Time time.Time `json:"time"`
	Do   string    `json:"do"` // seed, visit, revise, discontinue, stop, void
	N    int       `json:"n,omitempty"`
	ID   string    `json:"id,omitempty"`
}

// ask is a line of what Odoo was asked.
type ask struct {
	Time   time.Time `json:"time"`
	Path   string    `json:"path"`
	Type   string    `json:"type"`
	Cookie string    `json:"cookie,omitempty"`
	Body   string    `json:"body"`
}

func openClinic(dir string) (*clinic, error) {
	mem := filepath.Join(dir, "clinic")
	if err := os.MkdirAll(mem, 0o755); err != nil {
		return nil, err
	}
	c := &clinic{}
	c.emr = openmrs.New(openmrs.Options{Now: c.time, User: "njia", Password: demoPassword})
	c.erp = odoo.New(odoo.Options{Now: c.time, Users: []odoo.User{{Login: "njia", Password: demoPassword}}, Fields: []odoo.Field{
		{Model: "res.partner", Name: "x_external_identifier"}, {Model: "res.partner", Name: "x_customer_dob"},
		{Model: "sale.order", Name: "x_external_identifier"}, {Model: "sale.order", Name: "x_customer_dob"},
	}})
	c.erp.SeedClinic()
	if err := c.remember(mem); err != nil {
		return nil, fmt.Errorf("the stand-ins' memory cannot be read: %w", err)
	}
	if c.steps == 0 {
		if err := c.happen(entry{Do: "seed", N: seedPatients}); err != nil {
			return nil, err
		}
	}
	var err error
	if c.emrURL, err = c.serve(c.emr); err != nil {
		return nil, err
	}
	if c.erpURL, err = c.serve(http.HandlerFunc(c.odoo)); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *clinic) time() time.Time {
	if !c.now.IsZero() {
		return c.now
	}
	return time.Now()
}

// remember does the past again and opens both files for more.
func (c *clinic) remember(mem string) (err error) {
	if c.diary, err = reopen(filepath.Join(mem, "openmrs.ndjson"), func(line []byte) error {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		c.now = e.Time
		c.do(e)
		c.steps++
		return nil
	}); err != nil {
		return err
	}
	c.asked, err = reopen(filepath.Join(mem, "odoo.ndjson"), func(line []byte) error {
		var a ask
		if err := json.Unmarshal(line, &a); err != nil {
			return err
		}
		c.now = a.Time
		r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, a.Path, bytes.NewReader([]byte(a.Body)))
		r.Header.Set("Content-Type", a.Type)
		if a.Cookie != "" {
			r.Header.Set("Cookie", a.Cookie)
		}
		c.erp.ServeHTTP(httptest.NewRecorder(), r)
		return nil
	})
	c.now = time.Time{}
	return err
}

// reopen reads a file line by line and opens it for appending. A last line that a crash cut short is taken away.
func reopen(path string, line func([]byte) error) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(f)
	var whole int64
	for {
		b, err := r.ReadBytes('\n')
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return nil, err
			}
			break
		}
		if err := line(b); err != nil {
			return nil, err
		}
		whole += int64(len(b))
	}
	if err := f.Truncate(whole); err != nil {
		return nil, err
	}
	_, err = f.Seek(whole, io.SeekStart)
	return f, err
}

func (c *clinic) serve(h http.Handler) (string, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	c.servers = append(c.servers, s)
	go s.Serve(l) //nolint:errcheck // it ends when close ends it
	return "http://" + l.Addr().String(), nil
}

// odoo writes a request down before Odoo does it.
func (c *clinic) odoo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 32<<20))
	if err != nil {
		http.Error(w, "the request was cut off", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	defer c.mu.Unlock()
	line, err := json.Marshal(ask{Time: time.Now(), Path: r.URL.Path, Type: r.Header.Get("Content-Type"), Cookie: r.Header.Get("Cookie"), Body: string(body)})
	if err == nil {
		_, err = c.asked.Write(append(line, '\n'))
	}
	if err != nil {
		http.Error(w, "the stand-in cannot write", http.StatusInternalServerError)
		return
	}
	c.erp.ServeHTTP(w, r)
}

// happen writes down what happens in the clinic, and lets it happen.
func (c *clinic) happen(e entry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.Time = time.Now()
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := c.diary.Write(append(line, '\n')); err != nil {
		return err
	}
	c.now = e.Time
	c.do(e)
	c.now = time.Time{}
	c.steps++
	return nil
}

func (c *clinic) do(e entry) {
	switch e.Do {
	case "seed":
		c.seed = c.emr.Seed(e.N)
	case "visit":
		c.emr.Visit(e.N)
	case "revise":
		c.emr.Revise(c.seed.TextDrug, nil)
	case "discontinue":
		c.emr.Discontinue(e.ID)
	case "void":
		c.emr.Void("ServiceRequest", e.ID)
	}
}

// life is the n-th thing that happens in the clinic after its first day, in words for the display.
func (c *clinic) life(n int) (string, error) {
	switch n {
	case 0:
		return "a test that was ordered twice is voided once", c.happen(entry{Do: "void", ID: c.seed.TestTwice[0]})
	case 1:
		return "a test is discontinued", c.happen(entry{Do: "discontinue", ID: c.seed.TestTwice[1]})
	}
	return "a patient visits", c.happen(entry{Do: "visit", N: n})
}

// env is how the rules find the stand-ins.
func (c *clinic) env() map[string]string {
	return map[string]string{
		"OPENMRS_URL": c.emrURL + "/openmrs", "NJIA_SECRET_OPENMRS_PASSWORD": demoPassword,
		"ODOO_URL": c.erpURL, "ODOO_DATABASE": "odoo", "NJIA_SECRET_ODOO_PASSWORD": demoPassword,
	}
}

// odooCounts is what Odoo holds, in words.
func (c *clinic) odooCounts() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	orders, cancelled := 0, 0
	for _, o := range c.erp.Records("sale.order") {
		if o["state"] == "cancel" {
			cancelled++
		} else {
			orders++
		}
	}
	partners := 0
	for _, p := range c.erp.Records("res.partner") {
		if ref, ok := p["ref"].(string); ok && ref != "" {
			partners++
		}
	}
	text := fmt.Sprintf("%d patients, %d sale orders with %d lines", partners, orders, len(c.erp.Records("sale.order.line")))
	if cancelled > 0 {
		text += fmt.Sprintf(", %d cancelled", cancelled)
	}
	return text
}

func (c *clinic) close() {
	for _, s := range c.servers {
		s.Close()
	}
	c.diary.Close()
	c.asked.Close()
}
