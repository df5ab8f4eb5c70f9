package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/njia-health/njia/console"
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/diag"
)

// reloader loads a rule set again, when its files change and when somebody asks.
type reloader struct {
	site   site
	e      *engine.Engine
	log    *slog.Logger
	listen listener

	mu      sync.Mutex // guards what follows; one reload at a time
	refused string     // what was refused last; "" once one was taken
	print   uint64     // of the files that were loaded last
	known   bool       // print tells whether they have changed since
}

// watch reloads when a file or a HUP signal says so, until ctx ends.
func (r *reloader) watch(ctx context.Context) error {
	hup := make(chan os.Signal, 1) // one more while a reload is under way is enough
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				r.reload(ctx, true)
			}
		}
	})
	defer wg.Wait()
	return engine.Watch(ctx, r.site.root, func() { r.reload(ctx, false) })
}

// reload loads the rule set and swaps to it if it is sound. A look that nobody asked for does not tell again of a rule set
// that has been refused already, and answers nothing where no file has changed.
func (r *reloader) reload(ctx context.Context, asked bool) console.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	start := time.Now()
	sum, settled := fingerprint(r.site.root, start)
	if !asked && r.known && sum == r.print {
		return console.Reload{}
	}
	r.print, r.known = sum, settled
	defer debug.FreeOSMemory() // compiling leaves much behind that is not needed any more
	set, rs, errs := r.site.load(false)
	var listen listener
	if rs != nil {
		var more diag.List
		listen, more = listenerOf(rs.Engine, os.LookupEnv, engineSecrets(rs))
		errs = append(errs, more...)
		errs.Sort()
	}
	out := console.Reload{Findings: console.Findings(errs, sourceOf(rs))}
	if rs != nil {
		out.Version = rs.Version
	}
	out.Time = start
	if set == nil || errs.Failed() {
		if version := out.Version + "\n" + errs.Error(); asked || version != r.refused {
			r.refused = version
			r.e.Refuse(out.Version, errs, time.Since(start))
		}
		out.Error = "the rule set is wrong, and the old one goes on"
		out.Took = console.Duration(time.Since(start))
		return out
	}
	running := r.e.Set()
	if running == nil || ctx.Err() != nil {
		out.Error = "the engine is still starting, or stopping"
		return out
	}
	if err := r.e.Reload(ctx, set); err != nil {
		out.Error = err.Error()
	} else {
		r.refused, out.OK = "", true
		if asked && running.Version == set.Version {
			r.log.Info("rules read again, nothing has changed", "rules", set.Version)
		}
		if st, err := r.e.Status(ctx); err == nil && st.Reload != nil && running.Version != set.Version {
			out.Changed = st.Reload.Changed
		}
		if listen.addr != r.listen.addr {
			r.log.Warn("listen: has changed, which takes a restart", "address", listen.addr)
		}
	}
	out.Took = console.Duration(time.Since(start))
	return out
}
