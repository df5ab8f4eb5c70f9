package journal

import (
	"context"
	_ "embed"
	"fmt"
	"time"
)

//go:embed schema/001.sql
var schema1 string

// migration brings the schema to the next number.
type migration struct{ title, text string }

// migrations in order; the first has number 1. Published ones never change.
func migrations() []migration {
	return []migration{
		{"messages, deliveries, attempts, calls, search", schema1},
	}
}

// migrate applies what is missing, each step in one transaction. It refuses a journal that a newer program has written.
func migrate(c *conn, all []migration, now time.Time) error {
	err := c.exec(`CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, title TEXT NOT NULL, applied INTEGER NOT NULL)`)
	if err != nil {
		return err
	}
	has := 0
	err = c.each(context.Background(), `SELECT coalesce(max(number), 0) FROM migration`, func(r row) error {
		has = int(r.int(0))
		return nil
	})
	if err != nil {
		return err
	}
	if has > len(all) {
		return fmt.Errorf("it was written by a newer version of this program (its schema has number %d, this program knows up to %d): "+
			"run that version, or restore the folder from before the upgrade", has, len(all))
	}
	for n := has + 1; n <= len(all); n++ {
		if err := step(c, n, all[n-1], now); err != nil {
			return fmt.Errorf("bringing its schema to number %d (%s): %w", n, all[n-1].title, err)
		}
	}
	return nil
}

func step(c *conn, n int, m migration, now time.Time) (err error) {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = c.exec("ROLLBACK")
		}
	}()
	s, err := c.c.Prepare(m.text) // several statements: not kept
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Exec(nil); err != nil { //nolint:staticcheck // there are no arguments and no context
		return err
	}
	if err := c.exec("INSERT INTO migration VALUES (?, ?, ?)", n, m.title, now.UnixMilli()); err != nil {
		return err
	}
	return c.exec("COMMIT")
}
