package docs_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestConsole does what the pages tell the reader to do, with the program as it is now, and compares what is printed. Times,
// ids, durations, sizes of the journal and versions may be others.
func TestConsole(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands on the pages are those of a Unix shell")
	}
	list := pages(t)
	var bin string
	n := 0
	for _, p := range list {
		var has bool
		for _, b := range p.blocks {
			has = has || b.is("console")
		}
		if !has {
			continue
		}
		n++
		if bin == "" {
			bin = build(t)
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			r := newReader(t, bin)
			defer r.end()
			for _, b := range p.blocks {
				switch {
				case b.is("console"):
					r.console(b)
				case b.is("diff"):
					r.change(b)
				case slices.Contains(b.words, "write"):
					r.write(b)
				}
				if t.Failed() {
					return
				}
			}
			if *update {
				p.save(t)
			}
		})
	}
	if n == 0 {
		t.Error("no page has commands")
	}
}

// build makes the program, as make build does.
func build(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	c := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(bin, "njia"), "./cmd/njia")
	c.Dir = ".."
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("the program does not build: %v\n%s", err, out)
	}
	return bin
}

// reader follows a page in a folder of their own.
type reader struct {
	t    *testing.T
	dir  string
	env  []string
	name *strings.Replacer // what is of this machine, as the pages write it
	run  *running
}

// running is a program that was left running, and what it has printed.
type running struct {
	cmd  *exec.Cmd
	mu   sync.Mutex // guards out
	out  bytes.Buffer
	done chan struct{}
}

func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(b)
}

func (r *running) printed() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// home is where the pages say that the reader is.
const home = "/home/asha"

func newReader(t *testing.T, bin string) *reader {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, dir: dir, env: append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "NO_COLOR=1", "TZ=UTC", "HOME="+dir)}
	swap := []string{dir, home}
	if u, err := user.Current(); err == nil {
		swap = append(swap, "by "+u.Username, "by asha", "who="+u.Username, "who=asha")
	}
	r.name = strings.NewReplacer(swap...)
	return r
}

// patience is how long a command may take to have the output that the page shows.
const patience = time.Minute

// looks are the commands that change nothing: they are given again until they show what the page shows.
var looks = regexp.MustCompile(`^(cat|ls|curl|njia (status|messages (list|show))) `)

// console gives the commands of a block.
func (r *reader) console(b *block) {
	var want strings.Builder
	lines := strings.Split(strings.TrimSuffix(b.text, "\n"), "\n")
	for i := 0; i < len(lines); {
		command := lines[i]
		end := i + 1
		for end < len(lines) && !strings.HasPrefix(lines[end], "$ ") && lines[end] != "^C" {
			end++
		}
		shown := strings.Join(append(lines[i+1:end:end], ""), "\n")
		var got string
		var same func(want, got string) bool
		switch {
		case command == "^C":
			got, same = r.stop(), contains
		case strings.HasPrefix(command, "$ njia run "):
			r.start(strings.TrimPrefix(command, "$ "))
			got, same = "", contains
			for start := time.Now(); time.Since(start) < patience; time.Sleep(20 * time.Millisecond) {
				got = r.run.printed()
				if contains(r.plain(shown), r.plain(got)) && strings.Contains(got, "msg=started") {
					break
				}
			}
		case strings.HasPrefix(command, "$ "):
			got, same = r.give(strings.TrimPrefix(command, "$ "), shown), equal
		default:
			r.t.Fatalf("%s: a console block begins with $ and a command", b)
		}
		got = r.name.Replace(got)
		if got != "" && !strings.HasSuffix(got, "\n") {
			got += "\n" // the shell's next prompt stands on a line of its own here
		}
		want.WriteString(command + "\n")
		if w, g := r.plain(shown), r.plain(got); same(w, g) {
			want.WriteString(shown)
		} else {
			want.WriteString(got)
			if !*update {
				r.t.Errorf("%s: %s prints something else (-page +program):\n%s", b, command, cmp.Diff(w, g))
			}
		}
		i = end
	}
	b.want = want.String()
}

// give gives a command and returns what it prints.
func (r *reader) give(command, want string) string {
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if *update && looks.MatchString(command) {
			time.Sleep(3 * time.Second)
		}
		c := exec.Command("sh", "-c", command)
		c.Dir, c.Env = r.dir, r.env
		out, err := c.CombinedOutput()
		if ended := new(exec.ExitError); err != nil && !errors.As(err, &ended) {
			r.t.Fatal(err)
		}
		if *update || !looks.MatchString(command) || time.Since(start) > patience || equal(r.plain(want), strings.TrimSuffix(r.plain(string(out)), "\n")+"\n") {
			return string(out)
		}
	}
}

// start leaves a program running.
func (r *reader) start(command string) {
	if r.run != nil {
		r.t.Fatalf("%s: another one is still running; stop it with a line ^C", command)
	}
	words := strings.Fields(command)
	r.run = &running{cmd: exec.Command(filepath.Join(strings.TrimPrefix(r.path(), "PATH="), words[0]), words[1:]...), done: make(chan struct{})}
	c := r.run.cmd
	c.Dir, c.Env, c.Stdout, c.Stderr = r.dir, r.env, r.run, r.run
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func(run *running) {
		defer close(run.done)
		_ = run.cmd.Wait() // how it ends is in what it prints
	}(r.run)
}

// path is the folder of the program under test.
func (r *reader) path() string {
	for _, e := range r.env {
		if dir, ok := strings.CutSuffix(e, string(os.PathListSeparator)+os.Getenv("PATH")); ok {
			return dir
		}
	}
	return ""
}

// stop interrupts the program that is running and gives all that it has printed.
func (r *reader) stop() string {
	if r.run == nil {
		r.t.Fatal("nothing is running that could be stopped")
	}
	_ = r.run.cmd.Process.Signal(os.Interrupt)
	select {
	case <-r.run.done:
	case <-time.After(patience):
		r.t.Error("the program does not stop")
		_ = r.run.cmd.Process.Kill()
		<-r.run.done
	}
	out := r.run.printed()
	r.run = nil
	return out
}

func (r *reader) end() {
	if r.run != nil {
		r.stop()
	}
}

// change does to a file what a diff block says: lines with a minus go, those with a plus come, others say where.
func (r *reader) change(b *block) {
	file := filepath.Join(r.dir, filepath.FromSlash(b.option("file")))
	src, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatalf("%s: %v", b, err)
	}
	var old, to strings.Builder
	for l := range strings.SplitSeq(strings.TrimSuffix(b.text, "\n"), "\n") {
		kind, text := " ", ""
		if l != "" {
			kind, text = l[:1], l[1:]
		}
		if kind != "+" {
			old.WriteString(text + "\n")
		}
		if kind != "-" {
			to.WriteString(text + "\n")
		}
	}
	if strings.Count(string(src), old.String()) != 1 {
		r.t.Fatalf("%s: %s does not have these lines once:\n%s", b, b.option("file"), old.String())
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(src), old.String(), to.String(), 1)), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// write makes the file of a block.
func (r *reader) write(b *block) {
	file := filepath.Join(r.dir, filepath.FromSlash(b.option("file")))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(b.text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func equal(want, got string) bool { return want == got }

// contains says whether got has the lines of want in their order, with others between.
func contains(want, got string) bool {
	lines := strings.Split(got, "\n")
	for w := range strings.SplitSeq(strings.TrimSuffix(want, "\n"), "\n") {
		for len(lines) > 0 && lines[0] != w {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return w == ""
		}
		lines = lines[1:]
	}
	return true
}

var changing = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`), "TIME"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "VERSION"},
	{regexp.MustCompile(`\b(\d+(\.\d+)?(µs|ms|s|m|h))+\b`), "TOOK"},
	{regexp.MustCompile(`\b\d+(\.\d+)? (KB|MB)\b`), "SIZE"},
	{regexp.MustCompile(`(?m)(^ *TIME +\S+, attempt \d+: transient: .*\n(^ +next try TIME\n)?)+`), "ATTEMPTS\n"}, // how many depends on the machine
	{regexp.MustCompile(`\b\d+ attempts?\b`), "N attempts"},
	{regexp.MustCompile(`[ \t]+`), " "},
	{regexp.MustCompile(`(?m) $`), ""},
}

// plain is s with what differs from run to run replaced by names.
func (r *reader) plain(s string) string {
	s = r.name.Replace(s)
	for _, c := range changing {
		s = c.what.ReplaceAllString(s, c.name)
	}
	return s
}
