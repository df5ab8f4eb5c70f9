package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/rules"
)

// demoPack is the pack that the demo runs.
const demoPack = "openmrs-odoo"

// demoSite is the demo's engine document.
const demoSite = `# The demo's own document: which pack runs, with which settings. Change something and save.
engine: demo-clinic
journal: ../data
listen: 127.0.0.1:8440
packs:
  openmrs-odoo:
    since: beginning      # take what OpenMRS has already
    every: 2s             # a clinic would look every 15 seconds
    sweep-every: 3s       # and for stopped and voided orders every 5 minutes
    sweep-for: 520w       # the recorded orders are years old; a clinic would look a week back
    patient-sweep-every: 30s
    patients-without-orders: true
retention: { delivered: 30d, filtered: 7d, duplicate: 7d }
---
# The stand-ins answer faster than a real OpenMRS and Odoo should be asked.
system: openmrs
override: true
limits: { rate: 1000/s, concurrency: 8 }
---
system: odoo
override: true
limits: { rate: 1000/s, concurrency: 8 }
`

func demoCommand(a *app) *cobra.Command {
	var (
		dir  string
		once bool
		l    logging
	)
	c := &cobra.Command{
		Use:   "demo",
		Short: "A clinic in a box: orders from OpenMRS become sale orders in Odoo",
		Long: `Demo runs the pack openmrs-odoo between stand-ins of OpenMRS and Odoo that live in this process: nothing is installed,
nothing leaves the machine. OpenMRS serves recorded resources and invented patients of the same shape; every few seconds
somebody visits the clinic, and now and then an order is revised, stopped or voided.

Rules, journal and the stand-ins' memory are in one folder, which is made where there is none. Edit a rule there and save:
the next message is handled the new way. Kill the process and start it again: it goes on where it was. Delete the folder to
begin anew.`,
		Example: `  njia demo                 # until Ctrl-C
  njia demo --once          # until the backlog is through, then a summary
  njia --help               # meanwhile, in another terminal: njia messages list --dir njia-demo/rules`,
		Args: takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.demo(c.Context(), dir, once, &l)
		},
	}
	c.Flags().StringVar(&dir, "dir", "njia-demo", "folder for rules, journal and the stand-ins' memory")
	c.Flags().BoolVar(&once, "once", false, "end when the backlog is through; exit 0 only if every message is accounted for")
	l.add(c)
	return c
}

func (a *app) demo(ctx context.Context, dir string, once bool, l *logging) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return usage("give its whole path", "%s cannot be found", dir)
	}
	if err := writeDemo(dir); err != nil {
		return failed("choose another folder with --dir", "the demo's folder cannot be made: %v", err)
	}
	c, err := openClinic(dir)
	if err != nil {
		return failed("delete "+filepath.Join(dir, "clinic")+" to begin anew", "%v", err)
	}
	defer c.close()
	for name, value := range c.env() {
		if err := os.Setenv(name, value); err != nil {
			return failed("", "%v", err)
		}
	}
	s, err := siteAt(filepath.Join(dir, "rules"))
	if err != nil {
		return err
	}
	set, rs, errs := s.load(false)
	printFindings(a.err, rs, errs)
	if set == nil {
		return failed("mend it in "+s.root+", or delete the folder to begin anew", "not started: the demo's rules are wrong")
	}
	data, err := s.journal(rs)
	if err != nil {
		return err
	}
	j, err := openJournal(data)
	if err != nil {
		return journalError(data, err)
	}
	defer func() { _ = j.Close() }()
	frugal()
	show := newDisplay(a.out, c)
	log := show.logger(l, a.err, filepath.Join(dir, "njia.log"))
	e := engine.New(j, engine.Options{Log: log, Load: s.options(false), Observe: show.event})
	socket, closeSocket, err := listenSocket(data)
	if err != nil {
		return failed("see that the folder can be written", "%v", err)
	}
	defer closeSocket()
	listen, _ := listenerOf(rs.Engine, os.LookupEnv, engineSecrets(rs))
	probe, err := listen.open(log)
	if err != nil {
		log.Warn("metrics are not served: the port is taken", "err", err)
		probe = nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	show.head(dir, s.root)
	ended := make(chan error, 1)
	go func() {
		ended <- show.run(ctx, e, c, once)
		stop()
	}()
	err = a.serve(ctx, &reloader{site: s, e: e, log: log, listen: listen}, set, socket, probe)
	stop()
	if shown := <-ended; err == nil {
		err = shown
	}
	return err
}

// writeDemo makes the demo's rules where there are none: the shipped pack, to be edited, and a site that uses it.
func writeDemo(dir string) error {
	site := filepath.Join(dir, "rules", "site.yaml")
	if _, err := os.Stat(site); err == nil {
		return nil
	}
	pack, err := fs.Sub(rules.FS, demoPack)
	if err != nil {
		return err
	}
	to := filepath.Join(dir, "rules", demoPack)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(to, pack); err != nil && !os.IsExist(err) {
		return err
	}
	return os.WriteFile(site, []byte(demoSite), 0o644)
}

// drained says whether nothing is left to do but for messages that wait for a person.
func drained(ctx context.Context, e *engine.Engine) (idle bool, held int64, err error) {
	st, err := e.Status(ctx)
	if err != nil || !st.Ready {
		return false, 0, err
	}
	for _, r := range st.Routes {
		for status, n := range r.Counts {
			if status == journal.Held {
				held += n
			} else if status.Open() && n > 0 {
				return false, held, nil
			}
		}
	}
	return true, held, nil
}

// summary prints what became of all messages, and says whether each is accounted for.
func (d *display) summary(ctx context.Context, e *engine.Engine) error {
	st, err := e.Status(ctx)
	if err != nil {
		return failed("look at njia.log", "the journal cannot be read: %v", err)
	}
	order := []journal.Status{journal.Delivered, journal.Filtered, journal.Duplicate, journal.Held, journal.Dead, journal.Discarded}
	fmt.Fprintf(d.out, "\n%-22s %9s", "route", "received")
	for _, s := range order {
		fmt.Fprintf(d.out, " %9s", s)
	}
	fmt.Fprintln(d.out)
	var lost, received int64
	for _, r := range st.Routes {
		if r.Failed != "" {
			defer fmt.Fprintf(d.out, "the source of %s does not run: %s\n", r.Name, r.Failed)
		}
		var all, accounted int64
		for _, n := range r.Counts {
			all += n
		}
		fmt.Fprintf(d.out, "%-22s %9d", r.Name, all)
		for _, s := range order {
			fmt.Fprintf(d.out, " %9d", r.Counts[s])
			accounted += r.Counts[s]
		}
		fmt.Fprintln(d.out)
		lost += all - accounted
		received += all
	}
	fmt.Fprintf(d.out, "in Odoo now: %s\n", d.clinic.odooCounts())
	held, err := e.Journal().Search(ctx, journal.Query{Statuses: []journal.Status{journal.Held, journal.Dead}, Limit: 20})
	if err == nil && len(held) > 0 {
		fmt.Fprintln(d.out, "\nwaiting for a person:")
		for _, h := range held {
			fmt.Fprintf(d.out, "  #%-5d %-10s %-9s %s\n", h.Seq, h.Route, h.Status, h.Error)
		}
	}
	if received == 0 {
		return failed("look at the lines above", "nothing came in")
	}
	if lost != 0 {
		return failed("start the demo again: it goes on with them", "%d messages are not accounted for yet", lost)
	}
	fmt.Fprintln(d.out, "\nevery message is accounted for")
	return nil
}

// quiet is a logger for a demo on a terminal: everything goes to a file.
func quietLog(l *logging, path string) (*slog.Logger, *os.File) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return slog.New(slog.DiscardHandler), nil
	}
	return l.logger(f), f
}

func clock(t time.Time) string { return t.Format("15:04:05") }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
