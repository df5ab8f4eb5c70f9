package engine

// tidy forgets rule-set versions that no open message began with, and closes systems that only those had. What is needed again
// all the same comes from the journal.
func (e *Engine) tidy() {
	used := e.sched.versions()
	current := e.current.Load()
	used[current.Version] = true
	e.mu.Lock()
	for v := range e.versions {
		if !used[v] {
			delete(e.versions, v)
		}
	}
	var gone []*connection
	if len(used) == 1 {
		for name, c := range e.systems {
			if current.Systems[name] == nil {
				gone = append(gone, c)
				delete(e.systems, name)
			}
		}
	}
	e.mu.Unlock()
	for _, c := range gone {
		c.close()
	}
}

// versions are those that open messages in memory began with.
func (s *scheduler) versions() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]bool{}
	for _, it := range s.items {
		out[it.rules] = true
	}
	return out
}
