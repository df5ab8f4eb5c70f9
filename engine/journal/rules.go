package journal

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// SaveRules keeps a version with its text. See Store.
func (d *Disk) SaveRules(ctx context.Context, rs RuleSet) error {
	if rs.Time.IsZero() {
		rs.Time = d.now()
	}
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(rs.Files)) {
		b = appendText(appendText(b, name), rs.Files[name])
	}
	if b == nil {
		b = []byte{}
	}
	packed := d.packer.pack(b)
	return writeError("save rules", d.write(ctx, func(w *writer) error {
		return w.exec("INSERT INTO rules VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rs.Version, millis(rs.Time), packed)
	}))
}

// Rules gives a version with its files, or ErrNotFound.
func (d *Disk) Rules(ctx context.Context, version string) (rs RuleSet, err error) {
	err = d.read(ctx, func(c *conn) error {
		r, ok, err := c.one("SELECT at, files FROM rules WHERE version = ?", version)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("rules %s: %w", version, ErrNotFound)
		}
		rs = RuleSet{Version: version, Time: timeOf(r.int(0)), Files: map[string][]byte{}}
		b, err := d.packer.unpack(r.bytes(1))
		if err != nil {
			return err
		}
		files := reader{b: b}
		for len(files.b) > 0 {
			name := string(files.next())
			rs.Files[name] = files.next()
		}
		if files.bad {
			return errAbout
		}
		return nil
	})
	return rs, err
}

// RuleSets lists the versions, the newest first, without files.
func (d *Disk) RuleSets(ctx context.Context) (out []RuleSet, err error) {
	err = d.read(ctx, func(c *conn) error {
		return c.each(ctx, "SELECT version, at FROM rules ORDER BY at DESC, rowid DESC", func(r row) error {
			out = append(out, RuleSet{Version: r.text(0), Time: timeOf(r.int(1))})
			return nil
		})
	})
	return out, err
}
