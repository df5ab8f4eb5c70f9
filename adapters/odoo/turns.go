package odoo

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/njia-health/njia/engine/fault"
)

// turns lets one upsert of a record look and make at a time: two at once would both find nothing and make two.
type turns struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // closed when the turn ends
}

// take waits for the turn of key and gives what ends it. An error means that ctx ended first.
func (t *turns) take(ctx context.Context, key string) (end func(), err error) {
	for {
		t.mu.Lock()
		other, taken := t.busy[key]
		if !taken {
			mine := make(chan struct{})
			if t.busy == nil {
				t.busy = map[string]chan struct{}{}
			}
			t.busy[key] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.busy, key)
				t.mu.Unlock()
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fault.As(fault.Transient, fmt.Errorf("another upsert of the same record is under way: %w", ctx.Err()))
		}
	}
}

// key names the record that the settings find.
func (w Upsert) key() string {
	if w.ExternalID != "" {
		return w.ExternalID
	}
	b, err := json.Marshal(w.Match)
	if err != nil {
		return w.Model
	}
	return w.Model + string(b)
}
