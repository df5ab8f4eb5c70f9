package journal

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Pragma sets something on the connection that writes, and on those that follow it.
func (d *Disk) Pragma(text string) error {
	return d.write(context.Background(), func(w *writer) error {
		w.pragma = append(w.pragma, text)
		return w.each(context.Background(), "PRAGMA "+text, func(row) error { return nil })
	})
}

// WriterPragma reads a setting of the connection that writes.
func (d *Disk) WriterPragma(name string) (n int64, err error) {
	err = d.write(context.Background(), func(w *writer) error {
		r, _, err := w.one("PRAGMA " + name)
		if err == nil {
			n = r.int(0)
		}
		return err
	})
	return n, err
}

// Check lets SQLite look at every page and every index, and compares the sums with what they sum.
func (d *Disk) Check() error {
	return d.read(context.Background(), func(c *conn) error {
		var wrong []string
		add := func(r row) error {
			if s := r.text(0); s != "ok" {
				wrong = append(wrong, s)
			}
			return nil
		}
		ctx := context.Background()
		if err := c.each(ctx, "PRAGMA integrity_check", add); err != nil {
			return err
		}
		for what, text := range map[string]string{
			"counts that are wrong": `SELECT count(*) FROM (SELECT route, status, count(*) AS n FROM message GROUP BY 1, 2) m
				FULL JOIN (SELECT * FROM count WHERE n <> 0) c ON c.route = m.route AND c.status = m.status WHERE m.n IS NOT c.n`,
			"bodies without a message":     "SELECT count(*) FROM body WHERE seq NOT IN (SELECT seq FROM message)",
			"messages without their body":  "SELECT count(*) FROM message WHERE flags & 1 AND seq NOT IN (SELECT seq FROM body)",
			"deliveries without a message": "SELECT count(*) FROM delivery WHERE key >> 20 NOT IN (SELECT seq FROM message)",
			"attempts without a message":   "SELECT count(*) FROM attempt WHERE key >> 20 NOT IN (SELECT seq FROM message)",
			"calls without a message":      "SELECT count(*) FROM call WHERE key >> 20 NOT IN (SELECT seq FROM message)",
			"keys without a message":       "SELECT count(*) FROM key WHERE seq NOT IN (SELECT seq FROM message)",
			"troubles without a message":   "SELECT count(*) FROM trouble WHERE seq NOT IN (SELECT seq FROM message WHERE flags & 16)",
			"traces without a message":     "SELECT count(*) FROM run WHERE seq NOT IN (SELECT seq FROM message WHERE flags & 32)",
			"words without an error":       "SELECT count(*) FROM error_text WHERE rowid NOT IN (SELECT seq FROM trouble)",
		} {
			r, _, err := c.one(text)
			if err != nil {
				return err
			}
			if r.int(0) != 0 {
				wrong = append(wrong, fmt.Sprintf("%d %s", r.int(0), what))
			}
		}
		if len(wrong) > 0 {
			return fmt.Errorf("%s", strings.Join(wrong, "; "))
		}
		return nil
	})
}

// Statements are the texts that have been prepared so far.
func (d *Disk) Statements() []string {
	all := map[string]bool{}
	_ = d.write(context.Background(), func(w *writer) error {
		for text := range w.stmts {
			all[text] = true
		}
		return nil
	})
	for range cap(d.readers) {
		c := <-d.readers
		if c != nil {
			for text := range c.stmts {
				all[text] = true
			}
		}
		d.readers <- c
	}
	var out []string
	for text := range all {
		for _, verb := range []string{"SELECT", "UPDATE", "DELETE", "INSERT"} {
			if strings.HasPrefix(text, verb) {
				out = append(out, text)
			}
		}
	}
	return out
}

// Plan gives how SQLite would run a statement, whatever its arguments.
func (d *Disk) Plan(text string) (plan string, err error) {
	err = d.read(context.Background(), func(c *conn) error {
		return c.each(context.Background(), "EXPLAIN QUERY PLAN "+text, func(r row) error {
			plan += r.text(3) + "\n"
			return nil
		}, make([]any, 20)...)
	})
	return plan, err
}

// Upgrade brings the journal in a folder to the next schema, made up by a test.
func Upgrade(dir, text string) error {
	return atFile(dir, func(c *conn) error {
		return migrate(c, append(migrations(), migration{"made up by a test", text}), time.Now())
	})
}

// Exec runs a statement on the journal in a folder that nobody has open.
func Exec(dir, text string) error {
	return atFile(dir, func(c *conn) error { return c.exec(text) })
}

func atFile(dir string, do func(*conn) error) error {
	d := &Disk{dir: dir}
	c, err := connect(d.file())
	if err != nil {
		return err
	}
	defer c.close()
	return do(c)
}

// EncodeAbout, DecodeAbout and DecodeContent are for fuzzing.
func EncodeAbout(key string, headers map[string]string, vars []byte) []byte {
	a := about{Key: key, Headers: headers, Vars: vars}
	return a.encode()
}

func DecodeAbout(b []byte) (key string, headers map[string]string, vars []byte, err error) {
	var a about
	err = a.decode(b)
	return a.Key, a.Headers, a.Vars, err
}

func DecodeContent(b []byte) error {
	var c content
	return c.decode(b)
}
