package journal_test

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// fixture is the journal that testdata/schema-1.zip holds, as the version that first had schema 1 wrote it.
func fixture(t *testing.T, j *journal.Disk) {
	t.Helper()
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	ctx := t.Context()
	id := func(n int) message.ID { return message.ID("fixture").Child(fmt.Sprint(n)) }
	var es []journal.Entry
	for n := range 6 {
		es = append(es, journal.Entry{Message: message.Message{ID: id(n), Time: at, Event: message.Create, Type: "application/fhir+json", Headers: map[string]string{"x": "y"}, Body: was(n)}, Route: "patients",
			Source: "openmrs.changes", Rules: "v1", Key: "Patient/1", Keys: map[string]string{"order": fmt.Sprint("ORD-", n)}, DedupeID: fmt.Sprint("sr/", n), Remember: 24 * time.Hour,
			Status: journal.Received, CursorName: "patients", Cursor: fmt.Sprint(n), Marks: map[string]string{fmt.Sprint("open ", n): "1"}})
	}
	rs, err := j.Append(ctx, es)
	must(t, err)
	d := journal.Delivery{ID: id(10), Operation: "odoo.upsert", Label: "to", Type: "application/json", With: []byte(`{"model":"res.partner"}`), Body: was(100), Status: journal.Delivered, Attempts: 1, Answer: []byte(`{"id":7}`)}
	_, err = j.Resolve(ctx, journal.Resolution{Seq: rs[0].Seq, Rules: "v1", Status: journal.Delivered, Deliveries: []journal.Delivery{d}, Trace: []journal.Step{{Label: "jq", Outcome: "passed"}},
		Tried: []journal.Attempt{{Number: 1, Time: at, Took: time.Millisecond, Status: journal.Delivered, Code: 200, Answer: d.Answer}}, Seen: []journal.SeenID{{Scope: "s", ID: "x", For: 100 * 365 * 24 * time.Hour}}})
	must(t, err)
	d.Status, d.Attempts, d.Answer = journal.Received, 0, nil
	_, err = j.Resolve(ctx, journal.Resolution{Seq: rs[1].Seq, Rules: "v1", Status: journal.Processing, Deliveries: []journal.Delivery{d}})
	must(t, err)
	must(t, j.Attempt(ctx, journal.Attempt{Seq: rs[1].Seq, Number: 1, Time: at, Status: journal.Retrying, Class: fault.Transient, Error: "connection refused", Due: at.Add(time.Hour), Since: at, Message: journal.Retrying, System: "odoo"}))
	_, err = j.Resolve(ctx, journal.Resolution{Seq: rs[2].Seq, Rules: "v1", Status: journal.Held, Attempts: 1, Failure: &fault.Error{Class: fault.Unmapped, Text: "no product for 718-7", Map: "loinc", Code: "718-7"}})
	must(t, err)
	must(t, j.RecordCall(ctx, journal.Call{Seq: rs[3].Seq, Label: "call", Operation: "openmrs.create", Digest: "d", Time: at, Status: 201, Answer: []byte(`{"uuid":"1"}`)}))
	_, err = j.Resolve(ctx, journal.Resolution{Seq: rs[3].Seq, Rules: "v1", Status: journal.Processing, Gate: []byte(`{"label":"wait"}`), Due: at.Add(time.Hour)})
	must(t, err)
	must(t, j.Discard(ctx, rs[4].Seq, journal.Action{Time: at, Who: "wanjiru", What: "discard", Reason: "a test"}))
	must(t, j.Edit(ctx, rs[5].Seq, []byte(`{"edited":true}`), "v1", journal.Action{Time: at, Who: "wanjiru", What: "edit"}))
	must(t, j.SaveRules(ctx, journal.RuleSet{Version: "v1", Time: at, Files: map[string][]byte{"a.yaml": []byte("route: patients")}}))
}

// was is a body of the fixture. It must not change.
func was(n int) []byte {
	return fmt.Appendf(nil, `{"resourceType":"ServiceRequest","id":"%d","status":"active","intent":"order","code":{"coding":[{"system":"http://loinc.org","code":"718-%d"}]},"subject":{"reference":"Patient/1"}}`, n, n)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// told is everything that a journal says of the fixture.
func told(t *testing.T, j *journal.Disk) (out []any) {
	t.Helper()
	add := func(v any, err error) {
		t.Helper()
		must(t, err)
		out = append(out, v)
	}
	for seq := journal.Seq(1); seq <= 6; seq++ {
		s, err := j.Story(t.Context(), seq)
		s.Changed = time.Time{} // the clock's
		for i := range s.Attempts_ {
			if s.Attempts_[i].N < 0 {
				s.Attempts_[i].Time = time.Time{}
			}
		}
		add(s, err)
	}
	ctx := t.Context()
	counts, err := j.Counts(ctx)
	add(counts, err)
	cursor, err := j.Cursor(ctx, "patients")
	add(cursor, err)
	marks, err := j.Marks(ctx, "patients")
	add(marks, err)
	seen, err := j.Seen(ctx, "s", "x")
	add(seen, err)
	rules, err := j.Rules(ctx, "v1")
	add(rules, err)
	for _, q := range []journal.Query{{Key: "ORD-2"}, {Text: "refused"}, {ID: "sr/3"}, {Map: "loinc"}} {
		rs, err := j.Search(ctx, q)
		for i := range rs {
			rs[i].Changed = time.Time{}
		}
		add(rs, err)
	}
	return out
}

// TestUpgrade opens the journal that an earlier version has written, and finds everything.
func TestUpgrade(t *testing.T) {
	now := open(t, t.TempDir())
	fixture(t, now)
	want := told(t, now)
	must(t, now.Close())
	const file = "testdata/schema-1.zip"
	if os.Getenv("NJIA_WRITE_SCHEMA_1") != "" { // once, by the version that had schema 1
		writeFixture(t, file)
	}
	dir := t.TempDir()
	unzip(t, file, dir)
	old := open(t, dir)
	defer old.Close()
	if d := cmp.Diff(want, told(t, old), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("a journal with schema 1 tells another story (-now +then):\n%s", d)
	}
	must(t, old.Check())
	rs, err := old.Append(t.Context(), []journal.Entry{{Message: message.Message{ID: message.NewID()}, Route: "patients", Status: journal.Received}})
	if err != nil || rs[0].Seq != 7 {
		t.Errorf("Append to it = %+v, %v", rs, err)
	}
}

func writeFixture(t *testing.T, file string) {
	t.Helper()
	dir := t.TempDir()
	j := open(t, dir)
	fixture(t, j)
	must(t, j.Close())
	b, err := os.ReadFile(filepath.Join(dir, "journal.db"))
	must(t, err)
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	f, err := os.Create(file)
	must(t, err)
	z := zip.NewWriter(f)
	w, err := z.Create("journal.db")
	must(t, err)
	_, err = w.Write(b)
	must(t, err)
	must(t, z.Close())
	must(t, f.Close())
}

func unzip(t *testing.T, file, dir string) {
	t.Helper()
	z, err := zip.OpenReader(file)
	must(t, err)
	defer z.Close()
	for _, f := range z.File {
		r, err := f.Open()
		must(t, err)
		b, err := io.ReadAll(r)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, f.Name), b, 0o600))
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	fixture(t, j)
	must(t, j.Close())
	must(t, journal.Upgrade(dir, "CREATE TABLE later (a); INSERT INTO later VALUES (1);"))
	must(t, journal.Upgrade(dir, "this is applied already and not looked at"))
	_, err := journal.OpenDisk(dir, journal.DiskOptions{})
	if err == nil {
		t.Fatal("a journal of a newer version was opened")
	}
	for _, part := range []string{dir, "newer version", "number 2", "up to 1"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestFailedUpgradeChangesNothing(t *testing.T) {
	dir := t.TempDir()
	must(t, open(t, dir).Close())
	if err := journal.Upgrade(dir, "CREATE TABLE later (a); SELECT no such thing;"); err == nil || !strings.Contains(err.Error(), "number 2 (made up by a test)") {
		t.Errorf("Upgrade with a fault = %v", err)
	}
	j := open(t, dir)
	defer j.Close()
	must(t, j.Check())
}

func TestWhatIsNoJournalIsRefused(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "journal.db"), []byte(strings.Repeat("this is no database. ", 1000)), 0o600))
	_, err := journal.OpenDisk(dir, journal.DiskOptions{})
	if err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("OpenDisk of a file that is no database = %v", err)
	}
}
