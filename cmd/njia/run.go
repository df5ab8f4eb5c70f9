package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/njia-health/njia/console"
	"github.com/njia-health/njia/engine"
)

func runCommand(a *app) *cobra.Command {
	var l logging
	c := &cobra.Command{
		Use:   "run DIR",
		Short: "Run a rule set",
		Long: `Run checks the rule set in DIR and runs it until it is told to stop (Ctrl-C, or the signal TERM): what is under way
then comes to an end or goes on at the next start. A second signal stops at once.

Saving a file, the signal HUP and njia reload load the rule set again. One that is wrong changes nothing.

Messages are kept in the folder that the engine document names as journal: (DIR/data without one). Secrets come from the
folder that it names as secrets:, from the environment as NJIA_SECRET_NAME, and from files in $NJIA_SECRETS_DIR and
/run/secrets. Metrics and health are at listen:, 127.0.0.1:8440 without one, as /metrics, /healthz and /readyz.`,
		Example: `  njia run clinic
  NJIA_SECRET_OPENMRS_PASSWORD=… njia run clinic --log-format json`,
		Args: takes(1, 1, "DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := siteAt(args[0])
			if err != nil {
				return err
			}
			return a.run(c.Context(), s, l.logger(a.err))
		},
	}
	l.add(c)
	return c
}

// run runs the rule set of s until a signal or ctx ends it.
func (a *app) run(ctx context.Context, s site, log *slog.Logger) error {
	frugal()
	set, rs, errs := s.load(false)
	var listen listener
	if rs != nil {
		l, more := listenerOf(rs.Engine, os.LookupEnv, engineSecrets(rs))
		listen, errs = l, append(errs, more...)
	}
	errs.Sort()
	printFindings(a.err, rs, errs)
	if set == nil || errs.Failed() {
		bad, _ := tally(errs)
		return failed("mend it and start again; njia check DIR shows the same, but for secrets and the environment, which it does not read", "not started: %s in the rule set", many(bad, "error", "errors"))
	}
	dir, err := s.journal(rs)
	if err != nil {
		return err
	}
	j, err := takeJournal(ctx, dir)
	if err != nil {
		return journalError(dir, err)
	}
	defer func() {
		if err := j.Close(); err != nil {
			log.Error("the journal did not close well; what it has acknowledged is kept", "err", err)
		}
	}()

	e := engine.New(j, engine.Options{Log: log, Load: s.options(false)})
	socket, closeSocket, err := listenSocket(dir)
	if err != nil {
		return failed("see that the folder can be written", "%v", err)
	}
	defer closeSocket()
	probe, err := listen.open(log)
	if err != nil {
		return err
	}
	return a.serve(ctx, &reloader{site: s, e: e, log: log, listen: listen}, set, socket, probe)
}

// serve runs the engine and everything around it.
func (a *app) serve(ctx context.Context, r *reloader, set *engine.Set, socket, probe net.Listener) error {
	ctx, stop := a.signals(ctx, r.log)
	defer stop()
	around, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var g errgroup.Group
	g.Go(func() error {
		return serve(around, socket, console.Handler(r.e, console.Options{Log: r.log, Reload: func(ctx context.Context) console.Reload { return r.reload(ctx, true) }}))
	})
	if probe != nil {
		r.log.Info("metrics and health", "address", probe.Addr().String())
		g.Go(func() error { return serve(around, probe, r.listen.guard(console.Probe(r.e))) })
	}
	g.Go(func() error { return r.watch(ctx) })
	g.Go(func() error { breathe(ctx); return nil })
	err := r.e.Run(ctx, set)
	stop()
	end()
	if e := g.Wait(); err == nil {
		err = e
	}
	if err != nil {
		return failed("the log above says more", "stopped: %v", err)
	}
	return nil
}

// signals ends the context at the first signal to stop, and the program at the second. stop ends the context and lets go
// of the signals.
func (a *app) signals(ctx context.Context, log *slog.Logger) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	got := make(chan os.Signal, 2) // one to stop, one to stop at once
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case s := <-got:
				if n > 0 {
					log.Warn("stopped at once; what was under way goes on at the next start")
					os.Exit(exitFindings)
				}
				log.Info("stopping; a second signal stops at once", "signal", s.String())
				cancel()
			}
		}
	}()
	return ctx, sync.OnceFunc(func() {
		cancel()
		signal.Stop(got)
		close(done)
	})
}
