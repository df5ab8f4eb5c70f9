package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/njia-health/njia/adapters"
	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/diag"
	"github.com/njia-health/njia/engine/rule"
	"github.com/njia-health/njia/rules"
)

// site is a rule set's folder on this machine.
type site struct {
	root string // absolute
}

func siteAt(dir string) (site, error) {
	if err := folder(dir); err != nil {
		return site{}, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return site{}, usage("give its whole path", "%s cannot be found", dir)
	}
	return site{abs}, nil
}

// load reads, checks and compiles the rule set. lenient lets secrets and environment variables be missing.
func (s site) load(lenient bool) (*engine.Set, *rule.Set, diag.List) {
	return engine.Load(os.DirFS(s.root), s.options(lenient))
}

func (s site) options(lenient bool) engine.LoadOptions {
	return engine.LoadOptions{Root: s.root, Shipped: rules.FS, Adapters: adapters.All(), Env: os.LookupEnv, Secret: secret, NoSecrets: lenient, NoTests: !lenient}
}

// read reads the documents and compiles nothing: it finds the journal also of a rule set that is wrong.
func (s site) read() *rule.Set {
	rs, _ := rule.Load(os.DirFS(s.root), rule.Options{Root: s.root, Shipped: rules.FS})
	return rs
}

// journal is the folder of the journal: what the engine document says, else data beside the rules.
func (s site) journal(rs *rule.Set) (string, error) {
	dir := "data"
	if rs != nil && rs.Engine != nil && rs.Engine.Journal != "" {
		dir = rs.Engine.Journal
	}
	if scheme, _, ok := strings.Cut(dir, "://"); ok {
		return "", failed("name a folder, such as journal: ./data", "this version keeps its journal in a folder and not in %s", scheme)
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(s.root, filepath.FromSlash(dir))
	}
	return dir, nil
}

// secret reads ${secret.X} from NJIA_SECRET_X in the environment, then from files in $NJIA_SECRETS_DIR and /run/secrets.
// The folder that the engine document names comes before them.
func secret(name string) (string, bool) {
	if v, ok := os.LookupEnv("NJIA_SECRET_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))); ok {
		return v, true
	}
	if dir := os.Getenv("NJIA_SECRETS_DIR"); dir != "" {
		if v, ok := engine.SecretFile(dir, name); ok {
			return v, true
		}
	}
	return engine.SecretFile("/run/secrets", name)
}

// engineSecrets answers ${secret.X} in the engine document itself.
func engineSecrets(rs *rule.Set) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if rs.Engine != nil && rs.Engine.Secrets != "" {
			if v, ok := engine.SecretFile(string(rs.Engine.Secrets), name); ok {
				return v, true
			}
		}
		return secret(name)
	}
}

// sourceOf gives the text of the files of a rule set, for showing what is wrong in them.
func sourceOf(rs *rule.Set) func(string) []byte {
	return func(file string) []byte {
		if rs == nil {
			return nil
		}
		return rs.Files[file]
	}
}

// where is the flags by which commands find the engine that they are about.
type where struct{ dir, journal string }

func (w *where) add(c *cobra.Command) {
	dir := os.Getenv("NJIA_DIR")
	if dir == "" {
		dir = "."
	}
	c.PersistentFlags().StringVar(&w.dir, "dir", dir, "folder of the rule set that runs (also NJIA_DIR)")
	c.PersistentFlags().StringVar(&w.journal, "journal", "", "folder of the journal, where the rule set is not at hand")
	_ = c.MarkPersistentFlagDirname("dir")
	_ = c.MarkPersistentFlagDirname("journal")
}

// find gives the journal's folder.
func (w *where) find() (string, error) {
	if w.journal != "" {
		if err := folder(w.journal); err != nil {
			return "", unreachable("give the folder that the engine document names as journal", "there is no journal at %s", w.journal)
		}
		return w.journal, nil
	}
	s, err := siteAt(w.dir)
	if err != nil {
		return "", err
	}
	return s.journal(s.read())
}
