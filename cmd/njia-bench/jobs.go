package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// proc is a program that runs beside us.
type proc struct {
	cmd *exec.Cmd
	log string
}

func (b *bench) start(log, path string, args ...string) (*proc, error) {
	p := &proc{cmd: exec.CommandContext(context.Background(), path, args...), log: filepath.Join(b.dir, log+".log")}
	f, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p.cmd.Stdout, p.cmd.Stderr = f, f
	return p, p.cmd.Start()
}

// stop ends it.
func (p *proc) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait()
}

// used is the processor time that it took.
func (p *proc) used() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// cpu is the processor time so far, where the system tells: Linux.
func (p *proc) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	u, _ := strconv.Atoi(f[11])
	s, _ := strconv.Atoi(f[12])
	return time.Duration(u+s) * 10 * time.Millisecond
}

func (p *proc) rss() (now, high int64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	for l := range strings.Lines(string(b)) {
		f := strings.Fields(l)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			now = n * 1024
		case "VmHWM:":
			high = n * 1024
		}
	}
	return now, high
}

func port() (string, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// fileJob: the file job with ack: delivered, against the plain loop.
func fileJob(b *bench) error {
	n := 4 * b.n
	var ours, plain, oursCPU, plainCPU, ratio []float64
	var peak int64
	for range b.rounds {
		out := filepath.Join(b.dir, "floor.out")
		p, err := b.start("floor-file", b.self, "floor", "file", b.seed, out)
		if err != nil {
			return err
		}
		t0 := time.Now()
		if err := p.cmd.Wait(); err != nil {
			return err
		}
		f := time.Since(t0)
		cpu := p.used()
		plain, plainCPU = append(plain, float64(n)/f.Seconds()), append(plainCPU, cpu.Seconds()*1e5/float64(n))
		took, cpu, rss, err := b.fileOnce(n, out)
		if err != nil {
			return err
		}
		ours, oursCPU = append(ours, float64(n)/took.Seconds()), append(oursCPU, cpu.Seconds()*1e5/float64(n))
		ratio = append(ratio, f.Seconds()/took.Seconds())
		peak = max(peak, rss)
	}
	fmt.Printf("file  plain Go %6.0f msg/s, %5.2f CPU s per 100k   njia %6.0f msg/s, %5.2f CPU s per 100k, peak %d MB   njia/plain %.2f (median of %d)\n",
		median(plain), median(plainCPU), median(ours), median(oursCPU), peak>>20, median(ratio), b.rounds)
	return nil
}

func (b *bench) fileOnce(n int, want string) (took, cpu time.Duration, rss int64, err error) {
	listen, err := port()
	if err != nil {
		return 0, 0, 0, err
	}
	dir, err := b.site("file", `engine: bench
journal: $DIR/file-data
listen: `+listen+`
---
system: in
adapter: file
dir: $DIR/in
---
system: out
adapter: file
dir: $DIR/out
---
route: partners
from: in.files
with: { pattern: "*.ndjson", stable: 0s, every: 1s }
ack: delivered
steps:
  - jq: patient_to_partner.jq
  - when: body.active && body.x_national_id != null
to: { to: out.append, with: { name: out.ndjson } }
`)
	if err != nil {
		return 0, 0, 0, err
	}
	for _, d := range []string{"in", "out", "file-data"} {
		if err := os.RemoveAll(filepath.Join(b.dir, d)); err != nil {
			return 0, 0, 0, err
		}
		if err := os.Mkdir(filepath.Join(b.dir, d), 0o755); err != nil {
			return 0, 0, 0, err
		}
	}
	p, err := b.start("njia-file", b.njia, "run", dir)
	if err != nil {
		return 0, 0, 0, err
	}
	defer p.stop()
	if err := ready("http://" + listen + "/readyz"); err != nil {
		return 0, 0, 0, err
	}
	if err := os.Link(b.seed, filepath.Join(b.dir, "seed")); err != nil && !os.IsExist(err) {
		return 0, 0, 0, err
	}
	wanted, err := os.Stat(want)
	if err != nil {
		return 0, 0, 0, err
	}
	c0, t0 := p.cpu(), time.Now()
	if err := os.Rename(filepath.Join(b.dir, "seed"), filepath.Join(b.dir, "in", "patients.ndjson")); err != nil {
		return 0, 0, 0, err
	}
	result := filepath.Join(b.dir, "out", "out.ndjson")
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if st, err := os.Stat(result); err == nil && st.Size() >= wanted.Size()*99/100 {
			if msgs, err := lines(result, n); err == nil && len(msgs) >= count(want, n) {
				break
			}
		}
		if time.Now().After(deadline) {
			return 0, 0, 0, fmt.Errorf("njia did not write everything; see %s", p.log)
		}
	}
	took, cpu = time.Since(t0), p.cpu()-c0
	_, rss = p.rss()
	return took, cpu, rss, nil
}

func count(path string, n int) int {
	l, err := lines(path, n)
	if err != nil {
		return n
	}
	return len(l)
}

// httpRules are those of the HTTP job.
func httpRules(listen, probe, sink, data, extra string) string {
	return `engine: bench
journal: $DIR/` + data + `
listen: ` + probe + `
---
system: web
adapter: http
listen: ` + listen + `
---
system: sink
adapter: http
url: ` + sink + `
limits: { concurrency: 64 }
breaker: { after: 5, probe: 100ms..200ms }
---
route: partners
from: web.receive
with: { path: /post }
steps:
  - jq: patient_to_partner.jq
  - when: body.active && body.x_national_id != null
` + extra + `to: { to: sink.request, with: { method: POST, path: /in, idempotency-header: Idempotency-Key } }
`
}

type server struct {
	*proc
	dir, url, probe string
}

func (b *bench) serve(sink, data, extra string) (*server, error) {
	listen, err := port()
	if err != nil {
		return nil, err
	}
	probe, err := port()
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(filepath.Join(b.dir, data)); err != nil {
		return nil, err
	}
	dir, err := b.site("http", httpRules(listen, probe, sink, data, extra))
	if err != nil {
		return nil, err
	}
	p, err := b.start("njia-http", b.njia, "run", dir, "--log-level", "error")
	if err != nil {
		return nil, err
	}
	s := &server{p, dir, "http://" + listen + "/post", "http://" + probe}
	return s, ready(s.probe + "/readyz")
}

// httpJob: through the journal, against a handler that keeps nothing.
func httpJob(b *bench) error {
	msgs, err := lines(b.seed, b.n)
	if err != nil {
		return err
	}
	s, err := newSink(false)
	if err != nil {
		return err
	}
	defer s.l.Close()
	type row struct{ plain, ours, p50, p99, cpu, ratio, whole []float64 }
	clients := []int{1, 16, 64}
	rows := map[int]*row{1: {}, 16: {}, 64: {}}
	var peak int64
	for range b.rounds {
		listen, err := port()
		if err != nil {
			return err
		}
		f, err := b.start("floor-http", b.self, "floor", "http", listen, s.url()+"/in")
		if err != nil {
			return err
		}
		if err := ready("http://" + listen + "/none"); err != nil {
			return err
		}
		plain := map[int]float64{}
		for _, c := range clients {
			plain[c] = load("http://"+listen+"/post", part(msgs, c), c, 0).rate
			rows[c].plain = append(rows[c].plain, plain[c])
		}
		f.stop()
		n, err := b.serve(s.url(), "http-data", "")
		if err != nil {
			return err
		}
		load(n.url, msgs[:min(1000, len(msgs))], 16, 0)
		s.settle(300 * time.Millisecond)
		for _, c := range clients {
			m := part(msgs, c)
			c0, t0 := n.cpu(), time.Now()
			res := load(n.url, m, c, 0)
			s.settle(300 * time.Millisecond)
			all := time.Since(t0) - 300*time.Millisecond
			r := rows[c]
			r.ours, r.ratio, r.whole = append(r.ours, res.rate), append(r.ratio, res.rate/plain[c]), append(r.whole, float64(len(m))/all.Seconds())
			r.p50, r.p99 = append(r.p50, res.p50.Seconds()*1e3), append(r.p99, res.p99.Seconds()*1e3)
			r.cpu = append(r.cpu, (n.cpu()-c0).Seconds()*1e5/float64(len(m)))
		}
		_, rss := n.rss()
		peak = max(peak, rss)
		n.stop()
	}
	for _, c := range clients {
		r := rows[c]
		fmt.Printf("http  %2d clients: plain Go, undurable %6.0f msg/s   njia, fsynced: accepted %6.0f msg/s, delivered %6.0f msg/s, p50 %.1f ms, p99 %.1f ms, %5.1f CPU s per 100k   accepted/plain %.2f\n",
			c, median(r.plain), median(r.ours), median(r.whole), median(r.p50), median(r.p99), median(r.cpu), median(r.ratio))
	}
	fmt.Printf("http  peak memory %d MB (median of %d rounds)\n", peak>>20, b.rounds)
	return nil
}

// part is fewer messages for one client alone.
func part(msgs [][]byte, clients int) [][]byte {
	if clients == 1 {
		return msgs[:len(msgs)/5]
	}
	return msgs
}

// backlogJob: the target is away while messages come, then it is back.
func backlogJob(b *bench) error {
	for _, n := range []int{2000, 20000} {
		msgs, err := lines(b.seed, n)
		if err != nil {
			return err
		}
		sinkAt, err := port()
		if err != nil {
			return err
		}
		s, err := b.serve("http://"+sinkAt, "backlog-data", "")
		if err != nil {
			return err
		}
		res := load(s.url, msgs, 16, 0)
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", sinkAt)
		if err != nil {
			return err
		}
		snk := &sink{l: l}
		snk.serve()
		for snk.total.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		got, took := snk.drain()
		fmt.Printf("backlog %6d accepted at %5.0f msg/s while the target was away; %d left when it was back, 98 of 100 of them at %5.0f msg/s\n",
			len(res.acked), res.rate, got, 0.98*float64(got)/took.Seconds())
		s.stop()
		l.Close()
	}
	return nil
}

// reloadJob: 200 requests a second while the rules change, well and badly.
func reloadJob(b *bench) error {
	var delays []float64
	for round := range b.rounds {
		s, err := newSink(true)
		if err != nil {
			return err
		}
		step := func(v string) string { return "  - jq: '. + {version: \"" + v + "\"}'\n" }
		n, err := b.serve(s.url(), "reload-data", step("v1"))
		if err != nil {
			return err
		}
		msgs, err := lines(b.seed, 1200)
		if err != nil {
			return err
		}
		done := make(chan loadResult)
		go func() { done <- load(n.url, msgs, 64, 200) }()
		time.Sleep(2 * time.Second)
		file := filepath.Join(n.dir, "rules.yaml")
		old, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		bad := strings.Replace(string(old), step("v1"), step("v1")+"  - jq: .a |\n", 1)
		if err := os.WriteFile(file, []byte(bad), 0o644); err != nil {
			return err
		}
		time.Sleep(time.Second)
		changed := time.Now()
		if err := os.WriteFile(file, []byte(strings.Replace(string(old), step("v1"), step("v2"), 1)), 0o644); err != nil {
			return err
		}
		res := <-done
		s.settle(500 * time.Millisecond)
		s.mu.Lock()
		twice := 0
		for _, c := range s.refs {
			if c > 1 {
				twice++
			}
		}
		delay := s.first["v2"].Sub(changed)
		delays = append(delays, delay.Seconds()*1e3)
		fmt.Printf("reload round %d: new behaviour after %.0f ms; %d of %d accepted, %d refused, %d delivered, %d twice\n", round+1, delay.Seconds()*1e3, len(res.acked), len(msgs), res.refused, len(s.refs), twice)
		s.mu.Unlock()
		n.stop()
		s.l.Close()
	}
	fmt.Printf("reload  new behaviour after %.0f ms (median of %d)\n", median(delays), b.rounds)
	return nil
}

// idleJob: the pack with nothing to do.
func idleJob(b *bench) error {
	var start, mem []float64
	for range b.rounds {
		probe, err := port()
		if err != nil {
			return err
		}
		dir, err := b.site("idle", "engine: idle\njournal: $DIR/idle-data\nlisten: "+probe+"\npacks: { openmrs-odoo: { since: now } }\n")
		if err != nil {
			return err
		}
		for k, v := range map[string]string{"OPENMRS_URL": "http://127.0.0.1:1/openmrs", "ODOO_URL": "http://127.0.0.1:1", "ODOO_DATABASE": "x", "NJIA_SECRET_OPENMRS_PASSWORD": "x", "NJIA_SECRET_ODOO_PASSWORD": "x"} {
			if err := os.Setenv(k, v); err != nil {
				return err
			}
		}
		t0 := time.Now()
		p, err := b.start("idle", b.njia, "run", dir)
		if err != nil {
			return err
		}
		if err := ready("http://" + probe + "/readyz"); err != nil {
			return err
		}
		start = append(start, time.Since(t0).Seconds()*1e3)
		time.Sleep(10 * time.Second)
		rss, _ := p.rss()
		mem = append(mem, float64(rss)/(1<<20))
		p.stop()
	}
	fmt.Printf("idle  start to ready %.0f ms, memory after 10 s %.1f MB (median of %d)\n", median(start), median(mem), b.rounds)
	return nil
}
