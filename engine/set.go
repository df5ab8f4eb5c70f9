package engine

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/expr"
	"github.com/njia-health/njia/engine/route"
	"github.com/njia-health/njia/engine/rule"
)

// Set is a rule set that is checked and compiled. It is immutable.
type Set struct {
	Version  string
	Rules    *rule.Set
	Plans    map[string]*route.Plan
	Systems  map[string]*System
	Sources  map[string]*Source // by route; disabled ones are left out
	Warnings diag.List
	windows  map[string]*Window // by route
}

// System is a system document with the values of its ${env.X} and ${secret.X}.
type System struct {
	Name     string
	Doc      *rule.System // nil: an adapter that is used without a document
	Adapter  *adapter.Definition
	Settings *bind.Node
	Digest   string // of all that matters to the connection
	Limits   rule.Limits
	Breaker  rule.Breaker
	Window   *Window
	Off      bool // enabled: false: its sources do not run, and messages for it wait
}

// Source is where a route's messages come from.
type Source struct {
	Route  string
	System string
	Name   string // system.source
	Def    *adapter.SourceDef
	With   *bind.Node
	Digest string // of all that matters to the source: its system's too
}

// LoadOptions is what loading needs of its surroundings.
type LoadOptions struct {
	Root     string // the folder on disk that fsys is; "" for none
	Shipped  fs.FS  // packs that come with the program, a folder each
	Adapters *adapter.Registry
	Env      func(name string) (string, bool) // ${env.X}
	Secret   func(name string) (string, bool) // ${secret.X}, beyond the engine document's own folder
	// NoSecrets lets env and secret be missing: for checking and testing rules where they are not at hand.
	NoSecrets bool
	// NoTests leaves the rule tests alone: for running.
	NoTests bool
}

// Load reads, checks and compiles a whole rule set without touching the world. The rule set comes back for its texts even when
// errs has failed; Set is then nil.
func Load(fsys fs.FS, o LoadOptions) (*Set, *rule.Set, diag.List) {
	rs, errs := rule.Load(fsys, rule.Options{Root: o.Root, Shipped: o.Shipped, NoTests: o.NoTests})
	return compile(rs, errs, o)
}

// LoadFiles is Load from the files of a version that the journal kept.
func LoadFiles(files map[string][]byte, o LoadOptions) (*Set, *rule.Set, diag.List) {
	rs, errs := rule.LoadFiles(files, rule.Options{Root: o.Root, Shipped: o.Shipped, NoTests: o.NoTests})
	return compile(rs, errs, o)
}

func compile(rs *rule.Set, errs diag.List, o LoadOptions) (*Set, *rule.Set, diag.List) {
	if rs == nil {
		return nil, nil, errs
	}
	l := &loader{o: o, rs: rs, errs: errs, comp: map[string]*expr.Compiler{}, values: map[string]map[string]any{}, claims: map[string]string{},
		set: &Set{Version: rs.Version, Rules: rs, Plans: map[string]*route.Plan{}, Systems: map[string]*System{}, Sources: map[string]*Source{}, windows: map[string]*Window{}}}
	l.mapNames()
	for _, s := range rs.Systems {
		l.system(s)
	}
	for _, r := range rs.Routes {
		l.route(r)
	}
	l.errs.Sort()
	if l.errs.Failed() {
		return nil, rs, l.errs
	}
	l.set.Warnings = l.errs
	return l.set, rs, l.errs
}

// loader builds one Set.
type loader struct {
	o      LoadOptions
	rs     *rule.Set
	set    *Set
	errs   diag.List
	maps   map[string]*rule.Map
	names  []string
	comp   map[string]*expr.Compiler // by pack
	values map[string]map[string]any
	claims map[string]string // what only one route of a system can have → the route
}

func (l *loader) mapNames() {
	l.maps = map[string]*rule.Map{}
	for _, m := range l.rs.Maps {
		l.maps[m.Name] = m
		l.names = append(l.names, m.Name)
	}
}

// compiler gives the one of a pack, which knows its settings.
func (l *loader) compiler(pack string) (*expr.Compiler, map[string]any) {
	if c, ok := l.comp[pack]; ok {
		return c, l.values[pack]
	}
	values := map[string]any{}
	names := []string{}
	for _, p := range l.rs.Packs {
		if p.Name == pack {
			values = p.Values
			for n := range p.Settings {
				names = append(names, n)
			}
		}
	}
	slices.Sort(names)
	c := expr.New(expr.Options{
		Lookup: func(name, key string) (any, bool) {
			if m := l.maps[name]; m != nil {
				return route.Lookup(m, key)
			}
			return nil, false
		},
		Maps: append([]string{}, l.names...), Module: l.rs.Module, Settings: names, HMAC: l.hmac,
	})
	l.comp[pack], l.values[pack] = c, values
	return c, values
}

func (l *loader) secret(name string) (string, bool) {
	if v, ok := l.engineSecret(name); ok {
		return v, true
	}
	if l.o.Secret != nil {
		if v, ok := l.o.Secret(name); ok {
			return v, true
		}
	}
	if l.o.NoSecrets {
		return "secret-" + name, true
	}
	return "", false
}

func (l *loader) env(name string) (string, bool) {
	if l.o.Env != nil {
		if v, ok := l.o.Env(name); ok {
			return v, true
		}
	}
	if l.o.NoSecrets {
		return "http://127.0.0.1/" + name, true
	}
	return "", false
}

// system fills in and checks a system document.
func (l *loader) system(s *rule.System) {
	def := l.o.Adapters.Find(s.Adapter)
	if def == nil {
		n := s.Node.Get("adapter")
		e := diag.Errorf(placeOf(n, s.Pos), "there is no adapter %q", s.Adapter)
		if s.Adapter == "" {
			e = diag.Errorf(s.Pos, "system %s names no adapter", s.Name).WithHint("add adapter: one of %s", strings.Join(l.o.Adapters.Names(), ", "))
		} else {
			e.Hint = diag.DidYouMean(s.Adapter, l.o.Adapters.Names())
		}
		l.errs.Add(e)
		return
	}
	settings, errs := expr.Static(s.Settings, l.env, l.secret)
	l.errs.Add(errs...)
	if errs.Failed() {
		return
	}
	l.errs.Add(def.Check(settings)...)
	out := &System{Name: s.Name, Doc: s, Adapter: def, Settings: settings, Limits: s.Limits, Breaker: s.Breaker}
	out.Off = s.Enabled != nil && !*s.Enabled
	out.Digest = digest(s.Adapter, settings.Value(), s.Limits, s.Breaker, settings.Base, out.Off)
	if s.Window != nil {
		w, err := NewWindow(s.Window)
		if err != nil {
			l.errs.Add(diag.Errorf(s.Window.Pos, "%v", err))
		}
		out.Window = w
	}
	l.set.Systems[s.Name] = out
}

// find gives the system of that name. An adapter that needs no settings can be used under its own name.
func (l *loader) find(name string) (*System, string) {
	if s := l.set.Systems[name]; s != nil {
		return s, ""
	}
	for _, s := range l.rs.Systems {
		if s.Name == name {
			return nil, "" // it is there, and wrong: that has been said
		}
	}
	if l.rs.Lost("system", name) {
		return nil, "" // its file cannot be read: that has been said
	}
	if def := l.o.Adapters.Find(name); def != nil {
		empty := &bind.Node{Kind: bind.Map, Base: l.o.Root}
		if !def.Check(empty).Failed() {
			s := &System{Name: name, Adapter: def, Settings: empty, Digest: digest(name, nil, rule.Limits{}, rule.Breaker{}, l.o.Root)}
			l.set.Systems[name] = s
			return s, ""
		}
		return nil, fmt.Sprintf("the adapter %s needs settings: add a document system: NAME with adapter: %s", name, name)
	}
	var known []string
	for _, s := range l.rs.Systems {
		known = append(known, s.Name)
	}
	if h := diag.DidYouMean(name, known); h != "" {
		return nil, h
	}
	return nil, "declare it with a document that begins with system: " + name
}

// operation answers a route's question about system.operation.
func (l *loader) operation(name string) (route.Operation, bool, string) {
	sys, op, ok := strings.Cut(name, ".")
	if !ok {
		return route.Operation{Name: name}, false, "an operation is written SYSTEM.OPERATION, such as odoo.upsert"
	}
	s, hint := l.find(sys)
	if s == nil {
		if hint == "" { // it is there, and wrong: that has been said, and says enough
			return route.Operation{Name: name, Check: func(*bind.Node) diag.List { return nil }}, true, ""
		}
		return route.Operation{Name: name}, false, hint
	}
	def := s.Adapter.Operation(op)
	if def == nil {
		var known []string
		for _, o := range s.Adapter.Operations {
			known = append(known, o.Name)
		}
		return route.Operation{Name: name}, false, fmt.Sprintf("%s is a system of adapter %s; %s", sys, s.Adapter.Name, orElse(diag.DidYouMean(op, known), "it has no operations"))
	}
	out := route.Operation{Name: name, Writes: def.Kind != adapter.Reads, Check: def.Check}
	if s.Doc != nil {
		out.Answers, out.Dir = s.Doc.Answers, path.Dir(s.Doc.File)
	}
	return out, true, ""
}

func (l *loader) route(r *rule.Route) {
	src := l.source(r)
	c, values := l.compiler(r.Pack)
	env := route.Env{
		Expr: c, Settings: values, Operation: l.operation, Map: func(n string) *rule.Map { return l.maps[n] }, MapNames: l.names, Lost: l.rs.Lost,
		File: l.rs.File, Engine: l.rs.Engine, Rules: l.rs.Version,
	}
	if src != nil {
		env.Accept = src.Def.Accept
	}
	p, errs := route.Compile(r, env)
	l.errs.Add(errs...)
	if r.Window != nil {
		w, err := NewWindow(r.Window)
		if err != nil {
			l.errs.Add(diag.Errorf(r.Window.Pos, "%v", err))
		}
		l.set.windows[r.Name] = w
	}
	if p != nil {
		l.set.Plans[r.Name] = p
		if p.Direct && r.ID != nil {
			l.errs.Add(diag.Errorf(placeOf(r.Node.Get("ack"), r.Pos), "ack: delivered keeps no ids, so id: cannot find repeats").WithHint("use ack: accepted, or take id: away"))
		}
	}
	if src != nil && p != nil && (r.Enabled == nil || *r.Enabled) && !l.set.Systems[src.System].Off {
		l.set.Sources[r.Name] = src
	}
}

// source checks from and with.
func (l *loader) source(r *rule.Route) *Source {
	if r.From == "" {
		return nil // that has been said
	}
	sys, name, ok := strings.Cut(r.From, ".")
	if !ok {
		l.errs.Add(diag.Errorf(r.FromPos, "from is written SYSTEM.SOURCE, this is %q", r.From).WithHint("such as openmrs.changes"))
		return nil
	}
	if strings.HasPrefix(r.From, "port:") {
		l.errs.Add(diag.Errorf(r.FromPos, "this version has no ports yet"))
		return nil
	}
	s, hint := l.find(sys)
	if s == nil {
		if hint != "" {
			l.errs.Add(diag.Errorf(r.FromPos, "there is no system %q", sys).WithHint("%s", hint))
		}
		return nil
	}
	def := s.Adapter.Source(name)
	if def == nil {
		var known []string
		for _, d := range s.Adapter.Sources {
			known = append(known, d.Name)
		}
		l.errs.Add(diag.Errorf(r.FromPos, "adapter %s has no source %q", s.Adapter.Name, name).WithHint("%s", orElse(diag.DidYouMean(name, known), "it has no sources")))
		return nil
	}
	with := r.With
	if with == nil {
		with = &bind.Node{Kind: bind.Map, Pos: r.FromPos, Base: r.Node.Base}
	}
	with, errs := l.sourceSettings(with, r.Pack)
	l.errs.Add(errs...)
	if errs.Failed() {
		return nil
	}
	if errs := def.Check(with); len(errs) > 0 {
		l.errs.Add(errs...)
	} else if r.Enabled == nil || *r.Enabled {
		l.fits(r, s, def, with)
	}
	return &Source{Route: r.Name, System: sys, Name: r.From, Def: def, With: with, Digest: digest(r.From, with.Value(), s.Digest, with.Base)}
}

// fits checks a source's settings against its system's, and that no other route takes the same.
func (l *loader) fits(r *rule.Route, s *System, def *adapter.SourceDef, with *bind.Node) {
	claims, err := def.Fits(s.Settings, with)
	if err != nil {
		l.errs.Add(diag.Errorf(with.Pos, "%v", err))
	}
	for _, c := range claims {
		key := s.Name + "\x00" + c
		if first, taken := l.claims[key]; taken {
			l.errs.Add(diag.Errorf(with.Pos, "route %s takes %s of system %s already", first, c, s.Name).WithHint("one route takes it; choose inside it, or take another path"))
			continue
		}
		l.claims[key] = r.Name
	}
}

// sourceSettings fills in ${settings.X}: a source starts before there is any message, so nothing else is known.
func (l *loader) sourceSettings(n *bind.Node, pack string) (*bind.Node, diag.List) {
	c, values := l.compiler(pack)
	return fillSettings(n, c, values)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func placeOf(n *bind.Node, otherwise diag.Pos) diag.Pos {
	if n == nil {
		return otherwise
	}
	return n.Pos
}
