package journal

import (
	"context"
	"time"
)

type prunePlace struct{ known, seen []byte }

func (d *Disk) Prune(ctx context.Context, k Keep, now time.Time) (int, error) { return 0, nil }
