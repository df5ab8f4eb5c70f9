package journal_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// role is the environment variable that makes of this test program a child to be killed.
const role = "NJIA_JOURNAL_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "load":
		underLoad(os.Args[1], os.Args[2])
	case "hold":
		hold(os.Args[1])
	case "no-fsync":
		withoutFsync(os.Args[1])
	}
}

// child starts this program again in another role.
func child(t *testing.T, as string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), role+"="+as)
	return c
}

// started starts it, and waits until it says so.
func started(t *testing.T, c *exec.Cmd) {
	t.Helper()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	c.Stderr = &complaint
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		_ = c.Process.Kill()
		_ = c.Wait()
		t.Fatalf("the child said %q, %v: %s", line, err, complaint.String())
	}
}

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// The stages of a message in the life of a child.
const (
	appended = 1 + iota
	resolved // with two deliveries
	first    // of them is delivered
	ended
)

// underLoad writes to the journal in dir until it is killed. What the journal has acknowledged it writes to the file acks,
// a line at a time: "seq id key n stage".
func underLoad(dir, acks string) {
	j, err := journal.OpenDisk(dir, journal.DiskOptions{})
	die(err)
	f, err := os.OpenFile(acks, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	die(err)
	fmt.Println("ready")
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for n := 0; ; n++ {
				oneLife(j, f, fmt.Sprintf("key %d of %d", g, os.Getpid()), n)
			}
		})
	}
	wg.Wait()
}

func oneLife(j *journal.Disk, acks *os.File, key string, n int) {
	ctx, now := context.Background(), time.Now()
	body := patient(n)
	if n%50 == 7 {
		x := rand.New(rand.NewPCG(uint64(n), 1))
		for range 20000 {
			body = strconv.AppendUint(body, x.Uint64(), 36) // too large for a row
		}
	}
	id := message.NewID()
	e := journal.Entry{Message: message.Message{ID: id, Time: now, Body: body}, Route: "r", Key: key, Keys: map[string]string{"n": fmt.Sprint(key, "/", n)},
		DedupeID: string(id), Remember: time.Hour, Status: journal.Received, CursorName: key, Cursor: fmt.Sprint(n)}
	rs, err := j.Append(ctx, []journal.Entry{e})
	die(err)
	seq := rs[0].Seq
	ack := func(stage int) {
		_, err := fmt.Fprintf(acks, "%d %s %s %d %d\n", seq, id, strings.ReplaceAll(key, " ", "_"), n, stage)
		die(err)
	}
	ack(appended)
	d := func(n int, s journal.Status) journal.Delivery {
		return journal.Delivery{N: n, ID: id.Child(fmt.Sprint(n)), Operation: "odoo.upsert", Label: fmt.Sprint("to ", n), Body: body, Status: s}
	}
	if n%2 == 0 {
		_, err = j.Resolve(ctx, journal.Resolution{Seq: seq, Status: journal.Delivered, Deliveries: []journal.Delivery{d(0, journal.Delivered), d(1, journal.Delivered)}, Trace: []journal.Step{{Label: "jq", Outcome: "passed"}}})
		die(err)
		ack(ended)
		return
	}
	_, err = j.Resolve(ctx, journal.Resolution{Seq: seq, Status: journal.Processing, Deliveries: []journal.Delivery{d(0, journal.Received), d(1, journal.Received)}})
	die(err)
	ack(resolved)
	die(j.Attempt(ctx, journal.Attempt{Seq: seq, N: 0, Number: 1, Time: now, Status: journal.Delivered, Message: journal.Processing}))
	ack(first)
	if n%3 == 0 {
		die(j.Attempt(ctx, journal.Attempt{Seq: seq, N: 1, Number: 1, Time: now, Status: journal.Dead, Class: fault.Rejected, Error: "no such product", Message: journal.Dead}))
	} else {
		die(j.Attempt(ctx, journal.Attempt{Seq: seq, N: 1, Number: 1, Time: now, Status: journal.Delivered, Message: journal.Delivered}))
	}
	ack(ended)
}

// TestKilledUnderLoad kills a process that writes, 200 times on one folder, and finds all that was acknowledged.
func TestKilledUnderLoad(t *testing.T) {
	kills, seed := 200, uint64(time.Now().UnixNano())
	if s := os.Getenv("NJIA_CRASH_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	if testing.Short() {
		kills = 20
	}
	t.Logf("NJIA_CRASH_SEED=%d kills at the same times again", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	dir, acks := t.TempDir(), filepath.Join(t.TempDir(), "acks")
	for kill := 1; kill <= kills; kill++ {
		c := child(t, "load", dir, acks)
		if random.IntN(10) == 0 { // while it opens
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
		} else {
			started(t, c)
			time.Sleep(time.Duration(5+random.IntN(75)) * time.Millisecond)
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait() // killed
		if c.ProcessState.ExitCode() == 3 {
			t.Fatal("the child could not write")
		}
		if kill == kills/4 || kill == kills {
			checkAcknowledged(t, dir, acks)
		}
	}
}

func checkAcknowledged(t *testing.T, dir, acks string) {
	t.Helper()
	type acked struct {
		id    string
		key   string
		n     int
		stage int
	}
	b, err := os.ReadFile(acks)
	if err != nil {
		t.Fatal(err)
	}
	want := map[journal.Seq]acked{}
	for line := range strings.Lines(string(b)) {
		var seq journal.Seq
		var a acked
		if n, err := fmt.Sscan(line, &seq, &a.id, &a.key, &a.n, &a.stage); n != 5 || err != nil {
			t.Fatalf("acks has the line %q", line)
		}
		if had, ok := want[seq]; ok && had.id != a.id {
			t.Fatalf("number %d was given to %s and to %s", seq, had.id, a.id)
		}
		want[seq] = a
	}
	j := open(t, dir)
	defer j.Close()
	if err := j.Check(); err != nil {
		t.Errorf("after the kills: %v", err)
	}
	seen, last, found := map[string]bool{}, map[string]int{}, 0
	q := journal.Query{After: -1, Limit: 5000}
	for {
		rs, err := j.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs {
			if seen[string(r.ID)] {
				t.Errorf("message %s is there twice", r.ID)
			}
			seen[string(r.ID)] = true
			whole(t, j, r)
			a, ok := want[r.Seq]
			if !ok {
				continue // committed, but killed before it was told
			}
			found++
			if stage := stageOf(t, j, r); string(r.ID) != a.id || stage < a.stage {
				t.Errorf("message %d is %s at stage %d, acknowledged was %s at stage %d", r.Seq, r.ID, stage, a.id, a.stage)
			}
			if n, ok := last[a.key]; ok && a.n <= n {
				t.Errorf("key %s: message %d comes after %d", a.key, a.n, n)
			}
			last[a.key] = a.n
		}
		if len(rs) < q.Limit {
			break
		}
		q.After = rs[len(rs)-1].Seq
	}
	if found != len(want) {
		t.Errorf("%d messages were acknowledged, %d of them are there", len(want), found)
	}
	for key, n := range last {
		name := strings.ReplaceAll(key, "_", " ")
		if c, err := j.Cursor(t.Context(), name); err != nil || c < fmt.Sprint(n) && len(c) <= len(fmt.Sprint(n)) {
			t.Errorf("the cursor of %s is %q, %v, but message %d is there", name, c, err, n)
		}
		if rs, err := j.Search(t.Context(), journal.Query{Key: fmt.Sprint(name, "/", n)}); err != nil || len(rs) != 1 {
			t.Errorf("message %d of %s is found %d times by its business key, %v", n, name, len(rs), err)
		}
	}
	t.Logf("%d messages acknowledged, %d in the journal", len(want), len(seen))
}

// whole checks that nothing of a message is missing.
func whole(t *testing.T, j *journal.Disk, r journal.Record) {
	t.Helper()
	want := 2
	if r.Status == journal.Received {
		want = 0
	}
	ds, err := j.Deliveries(t.Context(), r.Seq)
	if err != nil || len(ds) != want {
		t.Errorf("message %d is %s and has %d deliveries, %v", r.Seq, r.Status, len(ds), err)
	}
	body, _, err := j.Body(t.Context(), r.Seq)
	if err != nil || len(body) != r.Size {
		t.Errorf("message %d: a body of %d bytes has %d, %v", r.Seq, r.Size, len(body), err)
	}
	for _, d := range ds {
		if !bytes.Equal(d.Body, body) {
			t.Errorf("message %d: delivery %d has another body", r.Seq, d.N)
		}
	}
}

func stageOf(t *testing.T, j *journal.Disk, r journal.Record) int {
	switch r.Status {
	case journal.Received:
		return appended
	case journal.Processing:
		ds, err := j.Deliveries(t.Context(), r.Seq)
		if err == nil && len(ds) > 0 && ds[0].Status == journal.Delivered {
			return first
		}
		return resolved
	}
	return ended
}

// hold has the journal until it is killed.
func hold(dir string) {
	_, err := journal.OpenDisk(dir, journal.DiskOptions{})
	die(err)
	fmt.Println("ready")
	time.Sleep(time.Hour)
}

func TestLockedByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	c := child(t, "hold", dir)
	started(t, c)
	_, err := journal.OpenDisk(dir, journal.DiskOptions{})
	if !errors.Is(err, journal.ErrLocked) {
		t.Fatalf("OpenDisk of a journal in use = %v, want ErrLocked", err)
	}
	for _, part := range []string{dir, fmt.Sprint("process ", c.Process.Pid), filepath.Base(c.Path), "stop that one first"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if err := open(t, dir).Close(); err != nil {
		t.Errorf("after the other was killed: %v", err)
	}
}

func TestLockedInOneProcess(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	if _, err := journal.OpenDisk(dir, journal.DiskOptions{}); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("a second OpenDisk = %v, want ErrLocked", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Error(err)
	}
}
