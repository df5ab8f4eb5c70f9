package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/journal"
)

// display shows what a demo does: on a terminal a picture that is drawn again and again, elsewhere plain lines.
type display struct {
	out      io.Writer
	clinic   *clinic
	terminal bool
	paint    paint

	mu     sync.Mutex // guards what follows
	recent []string
	drawn  int // lines of the last picture
	quiet  time.Time
	logAt  *os.File
}

// recentLines is how many events the picture shows.
const recentLines = 10

func newDisplay(out io.Writer, c *clinic) *display {
	d := &display{out: out, clinic: c, paint: painter(out), quiet: time.Now()}
	if f, ok := out.(*os.File); ok {
		d.terminal = term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
	}
	return d
}

// logger keeps the log out of the picture.
func (d *display) logger(l *logging, err io.Writer, path string) *slog.Logger {
	if !d.terminal {
		if l.format == "text" {
			l.level = logLevel(max(slog.Level(l.level), slog.LevelError)) // the lines say the rest
		}
		return l.logger(err)
	}
	log, f := quietLog(l, path)
	d.logAt = f
	return log
}

func (d *display) head(dir, root string) {
	rel := func(p string) string {
		if wd, err := os.Getwd(); err == nil {
			if r, err := filepath.Rel(wd, p); err == nil && !strings.HasPrefix(r, "..") {
				return r
			}
		}
		return p
	}
	fmt.Fprintf(d.out, "rules    %s   edit one and save: the next message is handled the new way\n", rel(root))
	fmt.Fprintf(d.out, "journal  %s   kill this process and start it again: nothing is lost\n", rel(filepath.Join(dir, "data")))
	fmt.Fprintf(d.out, "more     njia messages list --dir %s\n\n", rel(root))
}

// event notes what happened. It holds no patient data.
func (d *display) event(ev engine.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.quiet = time.Now()
	var line string
	switch ev.Kind {
	case "accepted":
		if ev.Status != journal.Received {
			return // its end says more
		}
		line = fmt.Sprintf("in    %s #%d", ev.Route, ev.Seq)
	case "sent":
		line = fmt.Sprintf("out   %s #%d to %s", ev.Route, ev.Seq, ev.Operation)
	case "failed":
		line = fmt.Sprintf("%-5s %s #%d %s", waits(ev.Status), ev.Route, ev.Seq, oneLine(ev.Text))
	case "ended":
		if ev.Status == journal.Held || ev.Status == journal.Dead {
			return // said as failed
		}
		line = fmt.Sprintf("done  %s #%d %s", ev.Route, ev.Seq, ev.Status)
	case "reload":
		line = "rules " + oneLine(ev.Text)
	case "system":
		line = "sys   " + ev.Operation + " " + oneLine(ev.Text)
	}
	d.say(line)
}

// say adds a line. The lock is held.
func (d *display) say(line string) {
	line = clock(time.Now()) + "  " + line
	if !d.terminal {
		fmt.Fprintln(d.out, line)
		return
	}
	if d.recent = append(d.recent, line); len(d.recent) > recentLines {
		d.recent = d.recent[1:]
	}
}

func waits(s journal.Status) string {
	if s == journal.Retrying {
		return "again"
	}
	return string(s)
}

// run lets the clinic live, and draws. With once it ends when everything that happened has gone through.
func (d *display) run(ctx context.Context, e *engine.Engine, c *clinic, once bool) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	next, events := time.Now().Add(8*time.Second), max(0, c.steps-1)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if d.terminal {
			d.draw(ctx, e)
		}
		idle, _, err := drained(ctx, e)
		if err != nil {
			continue
		}
		if once {
			if !idle || !d.restingFor(e, 7*time.Second) {
				continue
			}
			if events >= 2 {
				return d.summary(ctx, e)
			}
		} else if time.Now().Before(next) {
			continue
		}
		what, err := c.life(events)
		if err != nil {
			return failed("see that the folder can be written", "%v", err)
		}
		events++
		next = time.Now().Add(6 * time.Second)
		d.mu.Lock()
		d.quiet = time.Now()
		d.say("      in the clinic: " + what)
		d.mu.Unlock()
	}
}

// restingFor says whether nothing has happened for a while: longer than two looks at OpenMRS and a sweep.
func (d *display) restingFor(e *engine.Engine, t time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return e.Ready() == nil && time.Since(d.quiet) > t
}

// draw paints the picture over the last one.
func (d *display) draw(ctx context.Context, e *engine.Engine) {
	st, err := e.Status(ctx)
	if err != nil || len(st.Routes) == 0 {
		return
	}
	var b strings.Builder
	p := d.paint
	fmt.Fprintf(&b, "%s\n", p.bold(fmt.Sprintf("%-20s %8s %9s %8s %9s %6s %5s %8s", "route", "received", "delivered", "filtered", "duplicate", "held", "dead", "under way")))
	for _, r := range st.Routes {
		var all int64
		for _, n := range r.Counts {
			all += n
		}
		open := r.Counts[journal.Received] + r.Counts[journal.Processing] + r.Counts[journal.Retrying]
		held, dead := fmt.Sprintf("%6d", r.Counts[journal.Held]), fmt.Sprintf("%5d", r.Counts[journal.Dead])
		if r.Counts[journal.Held] > 0 {
			held = p.yellow(held)
		}
		if r.Counts[journal.Dead] > 0 {
			dead = p.red(dead)
		}
		fmt.Fprintf(&b, "%-20s %8d %9d %8d %9d %s %s %8d\n", r.Name, all, r.Counts[journal.Delivered], r.Counts[journal.Filtered], r.Counts[journal.Duplicate], held, dead, open)
	}
	b.WriteByte('\n')
	for _, s := range st.Systems {
		fmt.Fprintf(&b, "%-20s %s", s.Name, p.status(s.State))
		if s.Waiting > 0 {
			fmt.Fprintf(&b, ", %d messages wait for it", s.Waiting)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "in Odoo              %s\n", d.clinic.odooCounts())
	fmt.Fprintf(&b, "rules                %s\n\n", st.Rules)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range recentLines {
		if i < len(d.recent) {
			b.WriteString(clip(d.recent[i], d.width()))
		}
		b.WriteByte('\n')
	}
	text := b.String()
	if d.drawn > 0 {
		fmt.Fprintf(d.out, "\x1b[%dA", d.drawn)
	}
	d.drawn = strings.Count(text, "\n")
	fmt.Fprint(d.out, strings.ReplaceAll(text, "\n", "\x1b[K\n"))
}

func (d *display) width() int {
	if f, ok := d.out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			return w
		}
	}
	return 100
}

func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:max(0, n-1)]) + "…"
}
