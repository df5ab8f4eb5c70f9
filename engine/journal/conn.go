package journal

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net/url"
	"path/filepath"

	"modernc.org/sqlite"
)

// conn is one SQLite connection and its prepared statements. It speaks to the driver without database/sql between: the
// writer has one connection for ever, and half of its time would go into the pool. One goroutine at a time.
type conn struct {
	c     driver.Conn
	stmts map[string]driver.Stmt
	args  []driver.NamedValue
	bytes int // in bytes and texts that statements were given
}

// connect opens the database file with pragmas such as "cache_size(-2000)".
func connect(file string, pragmas ...string) (*conn, error) {
	q := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}, "_dqs": {"0"}}
	path := filepath.ToSlash(file)
	if len(path) > 0 && path[0] != '/' {
		path = "/" + path // C:/…
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	c, err := sqlite.NewConnector(u.String())
	if err != nil {
		return nil, err
	}
	dc, err := c.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	return &conn{c: dc, stmts: map[string]driver.Stmt{}}, nil
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		_ = s.Close()
	}
	c.stmts = map[string]driver.Stmt{}
	return c.c.Close()
}

// prepare gives the statement of a text, made once. Texts are constants, so there are as many as there are in the source.
func (c *conn) prepare(text string) (driver.Stmt, error) {
	if s := c.stmts[text]; s != nil {
		return s, nil
	}
	s, err := c.c.Prepare(text)
	if err != nil {
		return nil, err
	}
	c.stmts[text] = s
	return s, nil
}

func (c *conn) bind(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		switch x := a.(type) {
		case int:
			a = int64(x)
		case Seq:
			a = int64(x)
		case []byte:
			if x == nil {
				a = nil
			}
			c.bytes += len(x)
		case string:
			c.bytes += len(x)
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args
}

// exec runs a statement. Arguments are int64, int, Seq, string, []byte (nil is NULL) and nil.
func (c *conn) exec(text string, args ...any) error {
	s, err := c.prepare(text)
	if err != nil {
		return err
	}
	_, err = s.(driver.StmtExecContext).ExecContext(context.Background(), c.bind(args))
	return err
}

// changed is exec that gives how many rows changed.
func (c *conn) changed(text string, args ...any) (int64, error) {
	s, err := c.prepare(text)
	if err != nil {
		return 0, err
	}
	r, err := s.(driver.StmtExecContext).ExecContext(context.Background(), c.bind(args))
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row is one row of an answer. Its values hold until the next.
type row []driver.Value

func (r row) int(i int) int64 {
	n, _ := r[i].(int64)
	return n
}

func (r row) text(i int) string {
	switch x := r[i].(type) {
	case string:
		return x
	case []byte:
		return string(x)
	}
	return ""
}

func (r row) bytes(i int) []byte {
	switch x := r[i].(type) {
	case []byte:
		return x
	case string:
		return []byte(x)
	}
	return nil
}

// each calls do for every row. ctx may interrupt a long one; context.Background() is cheaper.
func (c *conn) each(ctx context.Context, text string, do func(row) error, args ...any) error {
	s, err := c.prepare(text)
	if err != nil {
		return err
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(ctx, c.bind(args))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	dest := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(dest); err != nil {
			if errors.Is(err, io.EOF) {
				return ctx.Err()
			}
			return err
		}
		if err := do(dest); err != nil {
			return err
		}
	}
}

// one gives the first row; ok is false where there is none.
func (c *conn) one(text string, args ...any) (r row, ok bool, err error) {
	s, err := c.prepare(text)
	if err != nil {
		return nil, false, err
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(context.Background(), c.bind(args))
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = rows.Close() }()
	dest := make([]driver.Value, len(rows.Columns()))
	switch err := rows.Next(dest); {
	case errors.Is(err, io.EOF):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	return dest, true, nil
}
