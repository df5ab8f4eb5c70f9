package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// sink is the target: it counts what comes, and by which reference.
type sink struct {
	l     net.Listener
	total atomic.Int64
	mu    sync.Mutex
	refs  map[string]int // how often each came; nil: not kept
	first map[string]time.Time
}

func newSink(refs bool) (*sink, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{l: l}
	if refs {
		s.refs, s.first = map[string]int{}, map[string]time.Time{}
	}
	s.serve()
	return s, nil
}

func (s *sink) serve() {
	go http.Serve(s.l, s) //nolint:errcheck,gosec // it ends with the listener
}

func (s *sink) url() string { return "http://" + s.l.Addr().String() }

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if s.refs != nil {
		var m struct{ Ref, Version string }
		if err := json.Unmarshal(b, &m); err == nil {
			s.mu.Lock()
			s.refs[m.Ref]++
			if _, ok := s.first[m.Version]; !ok {
				s.first[m.Version] = time.Now()
			}
			s.mu.Unlock()
		}
	}
	s.total.Add(1)
}

// settle waits until nothing new comes for a while.
func (s *sink) settle(quiet time.Duration) int64 {
	last, at := s.total.Load(), time.Now()
	for time.Since(at) < quiet {
		time.Sleep(20 * time.Millisecond)
		if n := s.total.Load(); n != last {
			last, at = n, time.Now()
		}
	}
	return last
}

// drain waits until nothing new comes, and gives how many came and when 98 of 100 had: the very last may wait for a time of
// their own.
func (s *sink) drain() (int64, time.Duration) {
	type mark struct {
		at time.Duration
		n  int64
	}
	start := time.Now()
	var marks []mark
	for last := time.Duration(0); time.Since(start)-last < 3*time.Second; time.Sleep(5 * time.Millisecond) {
		n := s.total.Load()
		if len(marks) == 0 || n != marks[len(marks)-1].n {
			last = time.Since(start)
			marks = append(marks, mark{last, n})
		}
	}
	all := marks[len(marks)-1].n
	for _, m := range marks {
		if m.n*100 >= all*98 {
			return all, m.at
		}
	}
	return all, marks[len(marks)-1].at
}

// loadResult is how a load went.
type loadResult struct {
	rate     float64 // answered a second
	p50, p99 time.Duration
	acked    []int
	refused  int
}

// lines reads the messages.
func lines(path string, n int) ([][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(make([]byte, 1<<20), 1<<24)
	var out [][]byte
	for s.Scan() && len(out) < n {
		out = append(out, bytes.Clone(s.Bytes()))
	}
	return out, s.Err()
}

// load posts the lines from so many clients, as fast as they are answered, or at a rate.
func load(url string, msgs [][]byte, clients int, rate float64) loadResult {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: 30 * time.Second}
	var next atomic.Int64
	var mu sync.Mutex
	var res loadResult
	var took []time.Duration
	start := time.Now()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(msgs) {
					return
				}
				due := time.Now()
				if rate > 0 {
					due = start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
					time.Sleep(time.Until(due))
				}
				req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(msgs[i]))
				if err != nil {
					continue
				}
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				ok := false
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					ok = resp.StatusCode/100 == 2
				}
				d := time.Since(due)
				mu.Lock()
				took = append(took, d)
				if ok {
					res.acked = append(res.acked, i)
				} else {
					res.refused++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	res.rate = float64(len(res.acked)) / time.Since(start).Seconds()
	slices.Sort(took)
	if len(took) > 0 {
		res.p50, res.p99 = took[len(took)/2], took[len(took)*99/100]
	}
	return res
}

func ready(url string) error {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusServiceUnavailable {
				return nil
			}
		}
	}
	return fmt.Errorf("%s does not answer", url)
}
