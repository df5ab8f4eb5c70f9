package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write goldens anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"njia": main, "hold": hold})
}

// hold keeps a journal locked until it is interrupted.
func hold() {
	j, err := openJournal(os.Args[1])
	if err == nil {
		err = os.WriteFile(filepath.Join(os.Args[1], "held"), nil, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1) // one is enough
	signal.Notify(stop, os.Interrupt)
	<-stop
	j.Close()
}

// TestScripts drives the program as people do: one file for each thing that they want.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			e.Setenv("TZ", "UTC")
			sink, err := silent()
			if err != nil {
				return err
			}
			e.Defer(func() { sink.Close() })
			e.Setenv("SINK", sink.Addr().String())
			long := filepath.Join(e.WorkDir, strings.Repeat("a-folder-of-a-long-name/", 5))
			e.Setenv("LONG", long)
			if err := os.MkdirAll(long, 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(long, "rules.yaml"), []byte("engine: clinic\nlisten: off\n"), 0o644)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until, "code": code, "signal": sendSignal},
	})
}

// silent takes connections and never answers.
func silent() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		var held []net.Conn // a connection that nobody holds is closed by the collector
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			held = append(held, c)
		}
		for _, c := range held {
			c.Close()
		}
	}()
	return l, nil
}

// sendSignal sends HUP to the process that has a journal: signal HUP JOURNAL
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || args[0] != "HUP" {
		ts.Fatalf("signal HUP JOURNAL")
	}
	var owner struct{ PID int }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(args[1], "lock"))), &owner))
	p, err := os.FindProcess(owner.PID)
	ts.Check(err)
	ts.Check(p.Signal(syscall.SIGHUP))
}

// patience is how long until waits. On a busy machine everything takes its time.
const patience = 30 * time.Second

// until runs a command again and again until its output matches, or waits for a file:
//
//	until PATTERN COMMAND ARGS…
//	until exists FILE
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("until PATTERN COMMAND…, or until exists FILE")
	}
	var seen string
	for start := time.Now(); time.Since(start) < patience; time.Sleep(100 * time.Millisecond) {
		if args[0] == "exists" {
			if _, err := os.Stat(ts.MkAbs(args[1])); err == nil {
				return
			}
			continue
		}
		_ = ts.Exec(args[1], args[2:]...)
		if seen = ts.ReadFile("stdout"); regexp.MustCompile("(?m)" + args[0]).MatchString(seen) {
			return
		}
		seen += ts.ReadFile("stderr")
	}
	ts.Fatalf("%s did not come about; last:\n%s", filepath.Join(args...), seen)
}

// code runs a command that must end with this exit code: code N COMMAND ARGS…
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("code N COMMAND…")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = regexp.MustCompile(`\d+`).FindString(err.Error())
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s\nstdout:\n%s\nstderr:\n%s", got, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}
