package expr

import (
	"cmp"
	"sync"
	"time"
)

// Compiler compiles expressions that see the same maps, modules, settings and keys. It may be used concurrently.
type Compiler struct {
	opts Options
	*caches
	body *Shape // what the body is declared to be; nil: anything
}

// caches are what Compilers share that differ in the shape of the body only.
type caches struct {
	mu  sync.Mutex // guards what is below; CEL and its ASTs are compiled under it
	cel map[Where]*celEnv
	jq  map[jqCached]*jqCode
}

// New makes a Compiler. It costs nothing until the first expression.
func New(opts Options) *Compiler {
	l := &opts.Limits
	l.GuardCost = cmp.Or(l.GuardCost, 1_000_000)
	l.JQSteps = cmp.Or(l.JQSteps, 20_000_000)
	l.JQOutput = cmp.Or(l.JQOutput, 64<<20)
	l.Seconds = cmp.Or(l.Seconds, 10)
	return &Compiler{opts: opts, caches: &caches{cel: map[Where]*celEnv{}, jq: map[jqCached]*jqCode{}}}
}

func (c *Compiler) deadline() time.Duration {
	return time.Duration(c.opts.Limits.Seconds) * time.Second
}
