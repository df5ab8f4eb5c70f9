package journal

import "sync"

// names are the words that rows have as numbers. The writer adds, readers look up; what a transaction that failed has
// added is never shown.
type names struct {
	mu    sync.RWMutex // guards both
	texts map[int64]string
	ids   map[string]int64
}

func newNames() *names { return &names{texts: map[int64]string{0: ""}, ids: map[string]int64{"": 0}} }

func (n *names) text(id int64) (string, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	s, ok := n.texts[id]
	return s, ok
}

func (n *names) id(text string) (int64, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	id, ok := n.ids[text]
	return id, ok
}

func (n *names) add(id int64, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts[id], n.ids[text] = text, id
}

// name gives the number of a word in the writer's transaction, and makes one for a new word.
func (w *writer) name(text string) (int64, error) {
	if id, ok := w.d.names.id(text); ok {
		return id, nil
	}
	if id, ok := w.fresh[text]; ok {
		return id, nil
	}
	if r, ok, err := w.one("SELECT id FROM name WHERE text = ?", text); err != nil {
		return 0, err
	} else if ok {
		w.fresh[text] = r.int(0)
		return r.int(0), nil
	}
	if err := w.exec("INSERT INTO name (text) VALUES (?)", text); err != nil {
		return 0, err
	}
	r, _, err := w.one("SELECT id FROM name WHERE text = ?", text)
	if err != nil {
		return 0, err
	}
	w.fresh[text] = r.int(0)
	return r.int(0), nil
}

// name gives the word of a number.
func (d *Disk) name(c *conn, id int64) (string, error) {
	if s, ok := d.names.text(id); ok {
		return s, nil
	}
	r, ok, err := c.one("SELECT text FROM name WHERE id = ?", id)
	if err != nil || !ok {
		return "", err
	}
	s := r.text(0)
	d.names.add(id, s)
	return s, nil
}

// number gives the number of a word that may be nowhere: then ok is false.
func (d *Disk) number(c *conn, text string) (id int64, ok bool, err error) {
	if id, ok := d.names.id(text); ok {
		return id, true, nil
	}
	r, ok, err := c.one("SELECT id FROM name WHERE text = ?", text)
	if err != nil || !ok {
		return 0, false, err
	}
	d.names.add(r.int(0), text)
	return r.int(0), true, nil
}
