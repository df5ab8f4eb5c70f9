package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/njia-health/njia/engine"
	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// order is a ServiceRequest as OpenMRS gives it.
const order = `{"resourceType":"ServiceRequest","id":"5be506b6-4250-4672-9808-20428786963e","meta":{"versionId":"1712920114000","lastUpdated":"2024-04-12T11:08:34.000+00:00"},"status":"active","intent":"order","code":{"coding":[{"code":"1325AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","display":"Hepatitis C test - qualitative"},{"system":"http://loinc.org","code":"16128-1"},{"system":"https://cielterminology.org","code":"1325"}],"text":"Hepatitis C test - qualitative"},"subject":{"reference":"Patient/79355a93-3a4f-4490-98aa-278f922fa87c","type":"Patient"},"encounter":{"reference":"Encounter/a97199c8-b0a5-4f9e-8c9d-5569235b97f4","type":"Encounter"},"occurrencePeriod":{"start":"2024-04-12T11:08:34+00:00"},"n":%d}`

const benchRoute = `route: r
from: b.feed
with: { name: r }
key: ${body.n}
when: body.status == "active" && body.intent == "order"
steps:
  - jq: |
      { order: .id, n, patient: .subject.reference, code: first(.code.coding[] | select(.system == "http://loinc.org") | .code) }
to: b.put
`

// BenchmarkAcceptToDelivered takes orders from so many producers at once through the fsynced journal: accepted, judged, run,
// delivered to a system that answers at once.
func BenchmarkAcceptToDelivered(b *testing.B) {
	for _, producers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("producers=%d", producers), func(b *testing.B) {
			w := newWorld()
			var done atomic.Int64
			all := make(chan struct{})
			w.answer = func(string, message.Message) (message.Message, error) {
				if done.Add(1) == int64(b.N) {
					close(all)
				}
				return message.Message{}, nil
			}
			in, stop := benchEngine(b, w, benchRoute)
			b.ReportAllocs()
			b.ResetTimer()
			var n atomic.Int64
			errs := make(chan error, producers)
			for range producers {
				go func() {
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						if _, err := in.Accept(context.Background(), message.Message{Body: fmt.Appendf(nil, order, i)}); err != nil {
							errs <- err
							return
						}
					}
				}()
			}
			select {
			case <-all:
			case err := <-errs:
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
			stop()
		})
	}
}

// BenchmarkAckDelivered takes orders in batches of 512 without the journal.
func BenchmarkAckDelivered(b *testing.B) {
	w := newWorld()
	in, stop := benchEngine(b, w, benchRoute+"ack: delivered\n")
	defer stop()
	b.ReportAllocs()
	ms := make([]message.Message, 0, 512)
	n := 0
	for b.Loop() {
		n++
		ms = append(ms, message.Message{Body: fmt.Appendf(nil, order, n)})
		if len(ms) == cap(ms) {
			if _, err := in.AcceptAll(context.Background(), ms); err != nil {
				b.Fatal(err)
			}
			ms = ms[:0]
			w.mu.Lock()
			w.sent = nil
			w.mu.Unlock()
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "msgs/s")
}

func benchEngine(b *testing.B, w *world, rules string) (adapter.Inbox, func()) {
	b.Helper()
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "r.yaml"), []byte(site+rules), 0o644); err != nil {
		b.Fatal(err)
	}
	o := engine.Options{Log: slog.New(slog.DiscardHandler), Load: engine.LoadOptions{Adapters: adapter.NewRegistry(w.adapter())}}
	set, _, errs := engine.Load(os.DirFS(dir), o.Load)
	if set == nil {
		b.Fatal(errs)
	}
	j, err := journal.OpenDisk(filepath.Join(dir, "data"), journal.DiskOptions{})
	if err != nil {
		b.Fatal(err)
	}
	e := engine.New(j, o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, set) }()
	name := <-w.ready
	w.mu.Lock()
	in := w.inbox[name]
	w.mu.Unlock()
	return in, func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		j.Close()
	}
}
