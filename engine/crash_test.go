//go:build unix

package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// kills is how often the engine is killed.
const kills = 200

// crashKeys is how many ordering keys there are, each with a source of its own.
const crashKeys = 4

const crashRules = `engine: crash
---
system: s
adapter: crash
breaker: { after: 5, probe: 5ms..10ms }
---
`

func crashRoute(key int) string {
	return fmt.Sprintf(`route: r%d
from: s.count
with: { key: k%d }
id: ${body.key}/${body.n}
key: ${body.key}
retry: { backoff: 1ms..5ms }
steps:
  - jq: "{ key, n, x: (.n * 2) }"
to: s.write
---
`, key, key)
}

// TestMain runs the child of the crash test, or the tests.
func TestMain(m *testing.M) {
	if dir := os.Getenv("NJIA_CRASH_CHILD"); dir != "" {
		if err := crashChild(dir, os.Getenv("NJIA_CRASH_DRAIN") != ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashAdapter counts up as a source, from its durable cursor, noting what was acknowledged; and writes what is delivered to
// a file. A note is one write, so it stands once the call returns, whatever happens to the process.
func crashAdapter(dir string, drain bool) *adapter.Definition {
	type none struct{}
	type with struct {
		Key string `yaml:"key,required" doc:"the key"`
	}
	type conn struct {
		mu         sync.Mutex
		acks, sent *os.File
		n          int
	}
	note := func(f *os.File, line string) error {
		_, err := f.WriteString(line + "\n")
		return err
	}
	return adapter.Define("crash", "what the crash test uses", none{}, func(context.Context, adapter.Env, none) (*conn, error) {
		acks, err := os.OpenFile(filepath.Join(dir, "acks"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		sent, err := os.OpenFile(filepath.Join(dir, "sent"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		return &conn{acks: acks, sent: sent}, err
	},
		adapter.Source("count", "1, 2, 3 …", "json", with{}, func(c *conn, ctx context.Context, w with, in adapter.Inbox) error {
			if drain {
				<-ctx.Done()
				return nil
			}
			cursor, err := in.Cursor(ctx)
			if err != nil {
				return err
			}
			n, _ := strconv.Atoi(cursor)
			for n++; ctx.Err() == nil; n++ {
				m := message.Message{Body: fmt.Appendf(nil, `{"key":%q,"n":%d}`, w.Key, n), Cursor: strconv.Itoa(n)}
				if _, err := in.Accept(ctx, m); err != nil {
					n--
					continue // not taken: offered again
				}
				if err := note(c.acks, fmt.Sprintf("%s %d", w.Key, n)); err != nil {
					return err
				}
			}
			return nil
		}),
		adapter.Operation("write", "writes it down", adapter.Idempotent, none{}, func(c *conn, ctx context.Context, _ none, m message.Message) (message.Message, error) {
			var b struct {
				Key string
				N   int
			}
			if err := json.Unmarshal(m.Body, &b); err != nil {
				return message.Message{}, err
			}
			c.mu.Lock()
			c.n++
			fail := c.n%17 == 0
			c.mu.Unlock()
			if fail && !drain {
				return message.Message{}, fmt.Errorf("not this time")
			}
			return message.Message{}, note(c.sent, fmt.Sprintf("%s %d %s", b.Key, b.N, m.ID))
		}),
	)
}

func crashChild(dir string, drain bool) error {
	rules := crashRules
	for k := range crashKeys {
		rules += crashRoute(k)
	}
	folder := filepath.Join(dir, "rules")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(folder, "r.yaml")); err != nil {
		if err := os.WriteFile(filepath.Join(folder, "r.yaml"), []byte(rules), 0o644); err != nil {
			return err
		}
	}
	o := engine.LoadOptions{Adapters: adapter.NewRegistry(crashAdapter(dir, drain))}
	set, _, errs := engine.Load(os.DirFS(folder), o)
	if set == nil {
		return errs
	}
	j, err := journal.OpenDisk(filepath.Join(dir, "data"), journal.DiskOptions{})
	if err != nil {
		return err
	}
	e := engine.New(j, engine.Options{Load: o, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if drain {
		go func() {
			defer cancel()
			for {
				time.Sleep(20 * time.Millisecond)
				st, err := e.Status(ctx)
				if err != nil || !st.Ready {
					continue
				}
				left := int64(0)
				for _, r := range st.Routes {
					for s, n := range r.Counts {
						if s.Open() {
							left += n
						}
					}
				}
				if left == 0 {
					return
				}
			}
		}()
	}
	if err := e.Run(ctx, set); err != nil {
		return err
	}
	return j.Close()
}

// TestKilledAtAnyMomentNothingIsLost kills an engine under load again and again, and then looks at what it acknowledged, what
// is in its journal, and what it delivered.
func TestKilledAtAnyMomentNothingIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("200 lives take a while; without -short they are lived")
	}
	dir := t.TempDir()
	seed := rand.Uint64()
	if s := os.Getenv("NJIA_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("NJIA_SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	life := func(drain bool) *exec.Cmd {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "NJIA_CRASH_CHILD="+dir)
		if drain {
			cmd.Env = append(cmd.Env, "NJIA_CRASH_DRAIN=1")
		}
		cmd.Stderr = os.Stderr
		return cmd
	}
	size := func() int64 {
		st, err := os.Stat(filepath.Join(dir, "acks"))
		if err != nil {
			return 0
		}
		return st.Size()
	}
	for i := range kills {
		before := size()
		cmd := life(false)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if i%4 != 0 { // three of four lives get as far as working; the fourth may die while it starts
			for deadline := time.Now().Add(20 * time.Second); size() == before && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Duration(rnd.IntN(60)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatalf("kill %d: %v (the child ended by itself)", i, err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatalf("life %d ended well before it was killed", i)
		} else if cmd.ProcessState.Exited() {
			t.Fatalf("life %d ended by itself: %v", i, err)
		}
	}
	if err := life(true).Run(); err != nil {
		t.Fatalf("the last life: %v", err)
	}
	checkCrash(t, dir)
}

func checkCrash(t *testing.T, dir string) {
	acked := lines(t, filepath.Join(dir, "acks"))
	if len(acked) < kills {
		t.Fatalf("only %d messages were acknowledged: no load", len(acked))
	}
	j, err := journal.OpenDisk(filepath.Join(dir, "data"), journal.DiskOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	kept := map[string]int{} // id → how often kept as a message of its own
	last := map[string]int{} // key → number of the last, in journal order
	idOf := map[string]journal.Seq{}
	after := journal.Seq(-1) // oldest first
	for {
		recs, err := j.Search(context.Background(), journal.Query{After: after, Limit: 5000})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			after = r.Seq
			if r.Status == journal.Duplicate {
				continue
			}
			if r.Status != journal.Delivered {
				t.Fatalf("#%d is %s: %s", r.Seq, r.Status, r.Error)
			}
			kept[r.DedupeID]++
			idOf[r.DedupeID] = r.Seq
			_, num, _ := strings.Cut(r.DedupeID, "/")
			n, err := strconv.Atoi(num)
			if err != nil {
				t.Fatalf("#%d has id %q", r.Seq, r.DedupeID)
			}
			if n <= last[r.Key] {
				t.Fatalf("#%d key %s: %d stands after %d in the journal", r.Seq, r.Key, n, last[r.Key])
			}
			last[r.Key] = n
		}
		if len(recs) == 0 {
			break
		}
	}
	delivered := map[string]int{}
	order := map[string]int{}
	for _, l := range lines(t, filepath.Join(dir, "sent")) {
		f := strings.Fields(l)
		n, err := strconv.Atoi(f[1])
		if err != nil {
			t.Fatal(err)
		}
		id := f[0] + "/" + f[1]
		if delivered[id]++; delivered[id] == 1 {
			if n <= order[f[0]] {
				t.Errorf("key %s: %d was first delivered after %d", f[0], n, order[f[0]])
			}
			order[f[0]] = n
		}
	}
	for _, l := range acked {
		id := strings.Replace(l, " ", "/", 1)
		if kept[id] != 1 {
			t.Errorf("%s was acknowledged and is %d times in the journal", id, kept[id])
		}
		if delivered[id] < 1 {
			t.Errorf("%s was acknowledged and never delivered (#%d)", id, idOf[id])
		}
	}
	for id, n := range kept {
		if n != 1 {
			t.Errorf("%s is %d times in the journal", id, n)
		}
	}
	again := 0
	for _, n := range delivered {
		again += n - 1
	}
	t.Logf("%d acknowledged, %d kept, %d delivered, %d of them more than once", len(acked), len(kept), len(delivered), again)
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		out = append(out, s.Text())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
