package journal_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// patient is a FHIR resource of about 2 KB, another for every n.
func patient(n int) []byte {
	id := message.ID("p").Child(fmt.Sprint(n))
	return fmt.Appendf(nil, `{"resourceType":"Patient","id":"%s","meta":{"versionId":"%d","lastUpdated":"2026-03-%02dT%02d:%02d:11.000+00:00"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><table class=\"hapiPropertyTable\"><tbody><tr><td>Id:</td><td>%s</td></tr><tr><td>Identifier:</td><td><div>%d</div></td></tr></tbody></table></div>"},"identifier":[{"id":"%s","extension":[{"url":"http://fhir.openmrs.org/ext/patient/identifier#location","valueReference":{"reference":"Location/%s","type":"Location","display":"Outpatient Clinic"}}],"use":"official","type":{"coding":[{"code":"05a29f94-c0ed-11e2-94be-8c13b969e334"}],"text":"OpenMRS ID"},"value":"%dGEJ"}],"active":true,"name":[{"id":"%s","family":"Otieno%d","given":["Achieng","Mary"]}],"telecom":[{"id":"%s","value":"+2547%08d"}],"gender":"female","birthDate":"19%02d-03-12","deceasedBoolean":false,"address":[{"id":"%s","extension":[{"url":"http://fhir.openmrs.org/ext/address","extension":[{"url":"http://fhir.openmrs.org/ext/address#address1","valueString":"%d Main Street"}]}],"use":"home","city":"Kisumu","state":"Nyanza","postalCode":"%05d","country":"Kenya"}],"managingOrganization":{"reference":"Organization/%s"},"note":"%s"}`,
		id, n, n%28+1, n%24, n%60, id, n, id.Child("a"), id.Child("b"), n, id.Child("c"), n%977, id.Child("d"), n*7919%100000000, n%100, id.Child("e"), n%311, n%100000, id.Child("f"), fixed(n))
}

// fixed is text of 450 bytes that compresses as names and numbers do.
func fixed(n int) string {
	var b []byte
	for x := uint32(n); len(b) < 450; {
		x = x*1664525 + 1013904223
		b = fmt.Appendf(b, "ward %d bed %d, seen by nurse %x; ", x%7, x%31, x>>16)
	}
	return string(b[:450])
}

// quotation is what a route makes of a patient: about 600 bytes.
func quotation(n int) []byte {
	id := message.ID("p").Child(fmt.Sprint(n))
	return fmt.Appendf(nil, `{"model":"res.partner","match":{"ref":"%s"},"values":{"name":"Achieng Mary Otieno%d","ref":"%s","phone":"+2547%08d","street":"%d Main Street","city":"Kisumu","zip":"%05d","country_id":"KE","comment":"born 19%02d-03-12","category_id":["patient","clinic"],"company_type":"person","lang":"en_US","active":true,"x_openmrs_uuid":"%s","x_identifiers":[{"type":"OpenMRS ID","value":"%dGEJ"},{"type":"national","value":"%d"}],"x_location":"%s"}}`,
		id, n%977, id, n*7919%100000000, n%311, n%100000, n%100, id.Child("x"), n, n*31, id.Child("b"))
}

func BenchmarkDelivered(b *testing.B) {
	for _, keys := range []string{"plain", "keyed"} {
		for _, producers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s-%d", keys, producers), func(b *testing.B) { benchDelivered(b, producers, keys == "keyed") })
		}
	}
}

func benchDelivered(b *testing.B, producers int, keyed bool) {
	dir := b.TempDir()
	j, err := journal.OpenDisk(dir, journal.DiskOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	var n, slowest atomic.Int64
	bodies := make([][]byte, 512)
	sent := make([][]byte, 512)
	for i := range bodies {
		bodies[i], sent[i] = patient(i), quotation(i)
	}
	written := bytesWritten()
	b.ResetTimer()
	start, cpu := time.Now(), cpuTime()
	var wg sync.WaitGroup
	for range producers {
		wg.Go(func() {
			for {
				i := int(n.Add(1))
				if i > b.N {
					return
				}
				began := time.Now()
				if err := deliverOne(j, i, bodies[i%512], sent[i%512], keyed); err != nil {
					b.Error(err)
					return
				}
				if took := int64(time.Since(began)); took > slowest.Load() {
					slowest.Store(took)
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	b.ReportMetric(float64(b.N)/took.Seconds(), "msgs/s")
	b.ReportMetric(float64(cpuTime()-cpu)/float64(time.Microsecond)/float64(b.N), "cpu-µs/msg")
	b.ReportMetric(float64(bytesWritten()-written)/float64(b.N), "written-B/msg")
	b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
	size, _ := j.Size()
	b.ReportMetric(float64(size)/float64(b.N), "disk-B/msg")
}

func deliverOne(j journal.Store, i int, body, sent []byte, keyed bool) error {
	ctx, now := context.Background(), time.Now()
	e := journal.Entry{Message: message.Message{ID: message.NewID(), Time: now, Event: message.Update, Type: "application/fhir+json", Body: body},
		Route: "patients", Source: "openmrs.changes", Rules: "7f3a9c", Status: journal.Received, CursorName: "patients", Cursor: now.Format(time.RFC3339Nano)}
	if keyed {
		id := message.ID("p").Child(fmt.Sprint(i))
		e.Key, e.DedupeID, e.Remember = "Patient/"+string(id), string(id)+"/1", 7*24*time.Hour
		e.Keys = map[string]string{"patient": fmt.Sprintf("%dGEJ", i)}
	}
	rs, err := j.Append(ctx, []journal.Entry{e})
	if err != nil {
		return err
	}
	answer := []byte(`{"id":4711,"created":true}`)
	_, err = j.Resolve(ctx, journal.Resolution{Seq: rs[0].Seq, Status: journal.Delivered, Rules: "7f3a9c",
		Trace:      []journal.Step{{Label: "when", Outcome: "true"}, {Label: "jq", Outcome: "passed", Took: 210 * time.Microsecond}},
		Deliveries: []journal.Delivery{{Seq: rs[0].Seq, ID: e.Message.ID.Child("to"), Operation: "odoo.upsert", Label: "to", Type: "application/json", Body: sent, Status: journal.Delivered, Attempts: 1, Answer: answer}},
		Tried:      []journal.Attempt{{Seq: rs[0].Seq, Number: 1, Time: now, Took: 12 * time.Millisecond, Status: journal.Delivered, Code: 200, Answer: answer, System: "odoo"}},
	})
	return err
}

// bytesWritten is what this process has written to disks; 0 where the system does not tell.
func bytesWritten() int64 {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	var n int64
	for line := range strings.Lines(string(b)) {
		_, _ = fmt.Sscanf(line, "write_bytes: %d", &n)
	}
	return n
}
