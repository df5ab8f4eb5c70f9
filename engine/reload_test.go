package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// reloadRules says which version it is in each message that goes through it: in its steps, and in what it sends.
func reloadRules(version int) string {
	return site + fmt.Sprintf(`route: r
from: b.feed
with: { name: r }
id: ${body.n}
key: ${body.key}
steps:
  - set: { first: { jq: "%d" } }
  - call: b.ask
    as: told
  - jq: "{ n, first: $vars.first, second: %d, rules: $meta.rules }"
to: b.put
`, version, version)
}

// TestReloadUnderLoad reloads a hundred times under load, every other time with rules that are wrong. No message is lost or
// repeated, and each ends under the version it began with.
func TestReloadUnderLoad(t *testing.T) {
	r := start(t, reloadRules(0))
	r.w.replies(func(op string, m message.Message) (message.Message, error) {
		if op == "ask" {
			time.Sleep(time.Millisecond) // reloads come between the steps
		}
		return message.Message{}, nil
	})
	var stop atomic.Bool
	var n atomic.Int64
	var wg sync.WaitGroup
	in := r.in("r")
	for range 8 {
		wg.Go(func() {
			for !stop.Load() {
				i := n.Add(1)
				rep, err := in.Accept(context.Background(), message.Message{Body: fmt.Appendf(nil, `{"n":%d,"key":"k%d"}`, i, i%20)})
				if err != nil || rep.Outcome != "accepted" {
					t.Errorf("message %d: %+v, %v", i, rep, err)
					return
				}
			}
		})
	}
	versions := map[string]int{r.e.Set().Version: 0}
	for i := 1; i <= 100; i++ {
		if i%2 == 0 {
			set, errs := r.load(strings.Replace(reloadRules(i), "jq: \"{", "jq: \"{{", 1))
			if set != nil {
				t.Fatal("broken rules loaded")
			}
			r.e.Refuse("", errs, 0)
			continue
		}
		set := r.mustLoad(reloadRules(i))
		versions[set.Version] = i
		if err := r.e.Reload(context.Background(), set); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	stop.Store(true)
	wg.Wait()
	total := int(n.Load())
	r.ends(map[journal.Status]int{journal.Delivered: total})
	seen := map[string]bool{}
	used := map[string]bool{}
	for _, body := range r.w.got("put") {
		v, err := message.Decode([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		m := v.(map[string]any)
		id := fmt.Sprint(m["n"])
		if seen[id] {
			t.Errorf("message %s was delivered twice", id)
		}
		seen[id] = true
		want, known := versions[fmt.Sprint(m["rules"])]
		if !known || m["first"] != want || m["second"] != want {
			t.Errorf("message %s ran under first %v and second %v with rules %v (version %d)", id, m["first"], m["second"], m["rules"], want)
		}
		used[fmt.Sprint(m["rules"])] = true
	}
	if len(seen) != total {
		t.Errorf("%d of %d messages were delivered", len(seen), total)
	}
	if len(used) < 20 {
		t.Errorf("only %d versions were used: no load while reloading", len(used))
	}
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if r.w.opened != 2 {
		t.Errorf("systems were opened %d times, want 2: their documents did not change", r.w.opened)
	}
	t.Logf("%d messages, %d versions", total, len(used))
}

// TestWatchSeesEveryWayOfSaving saves as editors and deployment tools do.
func TestWatchSeesEveryWayOfSaving(t *testing.T) {
	for name, save := range map[string]func(t *testing.T, root string){
		"in place": func(t *testing.T, root string) { write(t, filepath.Join(root, "a.yaml"), "new") },
		"by rename": func(t *testing.T, root string) {
			write(t, filepath.Join(root, ".a.yaml.swp"), "new")
			if err := os.Rename(filepath.Join(root, ".a.yaml.swp"), filepath.Join(root, "a.yaml")); err != nil {
				t.Fatal(err)
			}
		},
		"a file in a new folder": func(t *testing.T, root string) {
			if err := os.Mkdir(filepath.Join(root, "sub"), 0o755); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
			write(t, filepath.Join(root, "sub", "b.yaml"), "new")
		},
		"several at once": func(t *testing.T, root string) {
			for i := range 20 {
				write(t, filepath.Join(root, fmt.Sprintf("f%d.yaml", i)), "new")
			}
		},
		"a symbolic link swapped": func(t *testing.T, root string) {
			if err := os.Mkdir(filepath.Join(root, "..2026"), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(root, "..2026", "k.yaml"), "new")
			if err := os.Symlink("..2026", filepath.Join(root, "..data_tmp")); err != nil {
				t.Skip("no symbolic links on this system: ", err)
			}
			if err := os.Rename(filepath.Join(root, "..data_tmp"), filepath.Join(root, "..data")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "rules")
			if err := os.MkdirAll(root, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(root, "a.yaml"), "old")
			if name == "a symbolic link swapped" {
				if err := os.Symlink("..data/k.yaml", filepath.Join(root, "k.yaml")); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			got, done := make(chan struct{}, 100), make(chan error, 1)
			go func() { done <- engine.Watch(ctx, root, func() { got <- struct{}{} }) }()
			time.Sleep(50 * time.Millisecond) // the watch has begun
			save(t, root)
			select {
			case <-got:
			case <-time.After(5 * time.Second):
				t.Error("the change was not seen")
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestASystemThatIsGoneIsClosed takes a system out of the rules, with and without messages that still need it.
func TestASystemThatIsGoneIsClosed(t *testing.T) {
	with := site + "route: r\nfrom: b.feed\nwith: { name: r }\nretry: { backoff: 5ms..5ms }\nto: a.put\n"
	without := strings.Replace(site, "system: a\nadapter: probe\nbreaker: { after: 3, probe: 20ms..50ms }\n---\n", "", 1) + "route: r\nfrom: b.feed\nwith: { name: r }\nto: b.put\n"
	r := start(t, with)
	closed := func() int { r.w.mu.Lock(); defer r.w.mu.Unlock(); return r.w.closed }
	r.w.mu.Lock()
	r.w.hold = make(chan struct{})
	r.w.mu.Unlock()
	r.accept("r", `1`)
	r.until("it is under way", func() bool { r.w.mu.Lock(); defer r.w.mu.Unlock(); return r.w.active == 1 })
	if err := r.e.Reload(context.Background(), r.mustLoad(without)); err != nil {
		t.Fatal(err)
	}
	if n := closed(); n != 0 {
		t.Fatalf("%d systems were closed while a message is on its way to one", n)
	}
	close(r.w.hold)
	r.ends(map[journal.Status]int{journal.Delivered: 1})
	r.w.mu.Lock()
	r.w.hold = nil
	r.w.mu.Unlock()
	if err := r.e.Reload(context.Background(), r.mustLoad(without+"# again\n")); err != nil {
		t.Fatal(err)
	}
	r.until("the system that is gone is closed", func() bool { return closed() == 1 })
	r.accept("r", `2`)
	r.ends(map[journal.Status]int{journal.Delivered: 2})
}
