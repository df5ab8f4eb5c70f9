package journal

import "context"

// SaveCursor moves a cursor and marks without a message. See Store.
func (d *Disk) SaveCursor(ctx context.Context, name, cursor string, marks map[string]string) error {
	if name == "" || cursor == "" && len(marks) == 0 {
		return ctx.Err()
	}
	return writeError("save a cursor", d.write(ctx, func(w *writer) error {
		w.moveCursor(name, cursor, marks)
		return nil
	}))
}

// Cursor gives where a source stands; "" at first.
func (d *Disk) Cursor(ctx context.Context, name string) (cursor string, err error) {
	err = d.read(ctx, func(c *conn) error {
		r, ok, err := c.one("SELECT value FROM cursor WHERE name = ?", name)
		if ok {
			cursor = r.text(0)
		}
		return err
	})
	return cursor, err
}

// Marks gives a source's marks that are set; never nil.
func (d *Disk) Marks(ctx context.Context, name string) (map[string]string, error) {
	out := map[string]string{}
	err := d.read(ctx, func(c *conn) error {
		return c.each(context.Background(), "SELECT name, value FROM mark WHERE cursor = ?", func(r row) error {
			out[r.text(0)] = r.text(1)
			return nil
		}, name)
	})
	return out, err
}
