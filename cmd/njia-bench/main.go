// Command njia-bench measures njia against the plainest Go program that does the same job, in turns on one machine: ratios
// say more than figures, since machines differ and drift.
//
//	go run ./cmd/njia-bench file             NDJSON file → jq → guard → file, ack: delivered
//	go run ./cmd/njia-bench http             HTTP → jq → guard → HTTP through the fsynced journal, 1, 16 and 64 clients
//	go run ./cmd/njia-bench backlog          how fast 2,000 and 20,000 waiting messages leave when the target is back
//	go run ./cmd/njia-bench reload           200 requests a second while rules change: delay, refused, lost, repeated
//	go run ./cmd/njia-bench idle             start to ready, and memory when there is nothing to do, with the pack openmrs-odoo
//
// The message is a FHIR Patient of 1.7 KB, the program 28 lines of jq, and the guard keeps three of four.
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

//go:embed patient_to_partner.jq
var program string

// bench is what the jobs share.
type bench struct {
	dir    string // for everything that is written
	njia   string // the binary
	self   string
	rounds int
	n      int
	seed   string // file of messages
}

func main() {
	rounds := flag.Int("rounds", 5, "how often each job is done; the median counts")
	n := flag.Int("n", 15000, "messages of a job; the file job takes four times as many")
	keep := flag.String("dir", "", "folder for what is written; a temporary one unless said otherwise")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: njia-bench [flags] file|http|backlog|reload|idle|all\n\nIt builds njia and measures it. Run it on a machine that does nothing else.")
		flag.PrintDefaults()
	}
	flag.Parse()
	job := flag.Arg(0)
	if job == "floor" { // the hand-written program, as a process of its own
		floor(flag.Args()[1:])
		return
	}
	jobs := map[string]func(*bench) error{"file": fileJob, "http": httpJob, "backlog": backlogJob, "reload": reloadJob, "idle": idleJob}
	names := []string{"file", "http", "backlog", "reload", "idle"}
	if job != "all" {
		if jobs[job] == nil {
			flag.Usage()
			os.Exit(2)
		}
		names = []string{job}
	}
	if err := run(*keep, *rounds, *n, names, jobs); err != nil {
		fmt.Fprintln(os.Stderr, "njia-bench:", err)
		os.Exit(1)
	}
}

func run(dir string, rounds, n int, names []string, jobs map[string]func(*bench) error) error {
	if dir == "" {
		d, err := os.MkdirTemp("", "njia-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(d)
		dir = d
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b := &bench{dir: dir, self: self, rounds: rounds, n: n, njia: filepath.Join(dir, "njia"), seed: filepath.Join(dir, "patients.ndjson")}
	build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-o", b.njia, "github.com/njia-health/njia/cmd/njia")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build njia: %w", err)
	}
	if err := generate(b.seed, 4*n); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "patient_to_partner.jq"), []byte(program), 0o644); err != nil {
		return err
	}
	for _, name := range names {
		if err := jobs[name](b); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// site writes a rule set and gives its folder.
func (b *bench) site(name, rules string) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "patient_to_partner.jq"), []byte(program), 0o644); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(strings.ReplaceAll(rules, "$DIR", b.dir)), 0o644)
}

// median sorts xs.
func median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	sort.Float64s(xs)
	if len(xs)%2 == 1 {
		return xs[len(xs)/2]
	}
	return (xs[len(xs)/2-1] + xs[len(xs)/2]) / 2
}
