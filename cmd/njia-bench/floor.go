package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/itchyny/gojq"
)

// floor is the plainest Go program that does the same: decode, run the compiled jq, keep or drop, encode, send. It keeps no
// journal, retries nothing, and stops at the first error.
//
//	floor file IN OUT
//	floor http LISTEN SINK
func floor(args []string) {
	q, err := gojq.Parse(program)
	must(err)
	code, err := gojq.Compile(q)
	must(err)
	one := func(line []byte) []byte {
		var in any
		must(json.Unmarshal(line, &in))
		v, ok := code.Run(in).Next()
		if !ok {
			return nil
		}
		if err, bad := v.(error); bad {
			panic(err)
		}
		o := v.(map[string]any)
		if o["active"] != true || o["x_national_id"] == nil {
			return nil
		}
		b, err := json.Marshal(o)
		must(err)
		return b
	}
	if args[0] == "file" {
		in, err := os.Open(args[1])
		must(err)
		out, err := os.Create(args[2])
		must(err)
		w := bufio.NewWriterSize(out, 1<<20)
		s := bufio.NewScanner(bufio.NewReaderSize(in, 1<<20))
		s.Buffer(make([]byte, 1<<20), 1<<24)
		for s.Scan() {
			if b := one(s.Bytes()); b != nil {
				w.Write(append(b, '\n')) //nolint:errcheck // Flush tells
			}
		}
		must(s.Err())
		must(w.Flush())
		must(out.Sync())
		return
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	http.HandleFunc("/post", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out := one(b)
		if out == nil {
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, args[2], bytes.NewReader(out))
		must(err)
		resp, err := client.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode/100 != 2 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	must(http.ListenAndServe(args[1], nil)) //nolint:gosec // a measurement on loopback
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}
