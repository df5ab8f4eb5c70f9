package file

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/bind"
	"github.com/njia-health/njia/engine/diag"
)

// Files is the settings of the source.
type Files struct {
	Dir       string        `yaml:"dir" doc:"folder to look in, within the system's; the system's own unless said otherwise"`
	Pattern   []string      `yaml:"pattern" doc:"which names to take, such as *.json; several as a list. Names that begin with a full stop, or end in .tmp, .part, .partial, .filepart or .crdownload, never"`
	Recursive bool          `yaml:"recursive" doc:"look into sub-folders too"`
	Format    string        `yaml:"format" enum:"json,ndjson,csv,text,binary" doc:"json and binary: a message for each file; ndjson, text and csv: for each line or row. By the ending of the name unless said otherwise: .json .ndjson .jsonl .csv .tsv .txt; others are binary. Text and binary need accept: text, xml or binary at the route"`
	Every     time.Duration `yaml:"every" doc:"how often to look; where the system tells of changes, it looks at once too"`
	Stable    time.Duration `yaml:"stable" doc:"how long a file must be unchanged before it is taken; 0 for senders that rename files into place"`
	Order     string        `yaml:"order" enum:"name,time" doc:"by name, or the oldest change first"`
	Done      string        `yaml:"done" doc:"folder for files that are taken, within dir"`
	Failed    string        `yaml:"failed" doc:"folder for files that cannot be read or are over the limit, within dir"`
	After     string        `yaml:"after" enum:"move,delete" doc:"move files that are taken to done, or delete them"`
	Encoding  string        `yaml:"encoding" enum:"utf-8,latin1,latin9,cp1252,cp850,cp437,macroman,utf-16,utf-16le,utf-16be" doc:"of text; a byte order mark in the file says more"`
	MaxBody   bind.Size     `yaml:"max-body" doc:"largest file that is taken whole, or line; the route's limit unless it is smaller"`
	CSV       CSV           `yaml:"csv" doc:"how rows are written"`
}

// BindNode reads the settings and finds what no file can be right for.
func (w *Files) BindNode(n *bind.Node) diag.List {
	type fields Files
	errs := bind.Decode(n, (*fields)(w))
	wrong := func(key, hint, format string, args ...any) {
		at := n.Pos
		v := n.Get(key)
		if v != nil {
			at = v.Pos
		}
		if v == nil || !v.Hole {
			errs.Add(diag.Errorf(at, format, args...).WithHint("%s", hint))
		}
	}
	for _, p := range w.Pattern {
		if _, err := path.Match(p, "x"); err != nil || strings.Contains(p, "/") {
			wrong("pattern", "it is matched with the name alone, as in *.json or lab-[0-9]*.csv; folders are dir: and recursive:", "%q is no pattern of names", p)
		}
	}
	for key, dir := range map[string]string{"dir": w.Dir, "done": w.Done, "failed": w.Failed} {
		if dir != "" && !filepath.IsLocal(filepath.FromSlash(dir)) {
			wrong(key, "it is a folder within the system's dir, such as inbox", "%q leads out of the system's folder", dir)
		}
	}
	for key, dir := range map[string]string{"done": w.Done, "failed": w.Failed} {
		if dir == "" || path.Clean(filepath.ToSlash(dir)) == "." {
			wrong(key, "such as "+key, "%s is a folder of its own within dir", key)
		}
	}
	if w.Every <= 0 {
		wrong("every", "such as 5s", "every is how often to look, and not nothing")
	}
	if _, err := w.CSV.separator(""); err != nil {
		wrong("csv", `such as csv: { separator: ";" }`, "%q is no separator: that is one character, or tab", w.CSV.Separator)
	}
	if !w.CSV.Header && len(w.CSV.Columns) == 0 {
		wrong("csv", "add columns: [name, …]", "csv without a header needs the names of its columns")
	}
	return errs
}

// format is the one of a file.
func (w Files) format(name string) string {
	if w.Format != "" {
		return w.Format
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".json":
		return "json"
	case ".ndjson", ".jsonl":
		return "ndjson"
	case ".csv", ".tsv":
		return "csv"
	case ".txt":
		return "text"
	}
	return "binary"
}

// mediaType is that of a file which is taken whole.
func mediaType(format, name string) string {
	if format == "json" {
		return "application/json"
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".xml":
		return "application/xml"
	case ".hl7", ".er7":
		return "x-application/hl7-v2+er7"
	case ".pdf":
		return "application/pdf"
	case ".json":
		return "application/json"
	case ".csv":
		return "text/csv"
	case ".txt":
		return "text/plain"
	}
	return "application/octet-stream"
}

// minGap is the shortest time from one look to the next that a hint asks for.
const minGap = 20 * time.Millisecond

// files runs the source until ctx ends.
func (f *folder) files(ctx context.Context, w Files, in adapter.Inbox) error {
	s := &intake{f: f, w: w, in: in, seen: map[string]sight{}}
	if err := s.load(ctx); err != nil {
		return ended(ctx, err)
	}
	hints := f.watch(ctx, w)
	defer hints.close()
	for ctx.Err() == nil {
		begun := time.Now()
		wait, err := s.pass(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		took := time.Since(begun)
		hints.follow(s.folders)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-in.Nudged():
		case <-hints.c: // a file that is being written gives thousands
			timer.Reset(time.Until(begun.Add(max(minGap, 2*took))))
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// ended is nil when it was ctx that ended the work.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // that is how a source ends
	}
	return err
}

// errLater says that a file is not to be taken in this pass.
var errLater = errors.New("not now")

// position is how far a file that is taken line by line has been taken. It is the source's cursor.
type position struct {
	id     string // of the file, as identity gives it
	off    int64  // bytes of its text that are done with
	line   int    // number of the line there
	failed bool   // some line was over the limit
}

func (p position) String() string {
	flag := "-"
	if p.failed {
		flag = "failed"
	}
	return fmt.Sprintf("%s %d %d %s", p.id, p.off, p.line, flag)
}

func parsePosition(s string) position {
	var p position
	var flag string
	if n, err := fmt.Sscanf(s, "%s %d %d %s", &p.id, &p.off, &p.line, &flag); n != 4 || err != nil {
		return position{}
	}
	p.failed = flag == "failed"
	return p
}
