package engine

import (
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/njia-health/njia/engine/adapter"
	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

// item is an open message in memory. Only the goroutine that processes it touches it while it runs; otherwise the
// scheduler's lock guards it.
type item struct {
	seq      journal.Seq
	place    []journal.Seq // in its lane: the message's number, behind those of the messages that it is a part of
	id       message.ID
	route    string
	source   string
	rules    string
	key      string
	event    string
	typ      string
	headers  map[string]string
	received time.Time
	status   journal.Status
	attempts int
	since    time.Time
	parent   journal.Seq
	resume   string
	vars     []byte

	body       []byte // nil: in the journal
	parsed     any
	isParsed   bool
	deliveries []journal.Delivery // nil: in the journal, if resolved
	opens      time.Time          // when the window that it waits for opens; zero: it waits for none
	resolved   bool               // its run has come to deliveries; they are what is left to do
	rerun      bool               // it ran before: some deliveries may have been made
	gated      bool
	gate       []byte          // state of the gate that the present run began at
	owed       *owed           // an attempt that is not in the journal yet
	made       map[string]bool // labels of what ack: delivered has delivered before the message came into the journal
	confirmed  bool            // a person has said: ask again what may have been done

	state  itemState
	gone   bool // it has ended, or another item is in its place
	again  bool // woken while it ran
	taken  bool // in a person's hands: it does not begin
	lane   *lane
	timer  *time.Timer
	probe  *connection // it is the one that tries whether a system is back
	waiter chan adapter.Reply
	direct bool // its source waits only until it is known whether it ends at once
}

type itemState uint8

const (
	waiting itemState = iota // in a lane, for a time or for a system
	ready
	running
	blocked // held: nothing moves it but a person, a map or a rule
)

// lane is the messages of one key of one route, in order; only the first is worked on.
type lane struct {
	name  string
	items []*item
}

// queue is the ready messages of one route.
type queue struct {
	ready   []*item
	running int
}

// scheduler decides which message is worked on next.
type scheduler struct {
	perRoute int
	process  func(*item)

	mu      sync.Mutex // guards all below, and items that are not running
	items   map[journal.Seq]*item
	lanes   map[string]*lane
	queues  map[string]*queue
	loading bool // what an earlier life left is being taken up: nothing begins until its order is known
	stopped bool
	active  sync.WaitGroup
}

func (s *scheduler) init(perRoute int, process func(*item)) {
	s.perRoute, s.process = perRoute, process
	s.items, s.lanes, s.queues = map[journal.Seq]*item{}, map[string]*lane{}, map[string]*queue{}
}

func (s *scheduler) queue(route string) *queue {
	q := s.queues[route]
	if q == nil {
		q = &queue{}
		s.queues[route] = q
	}
	return q
}

// add takes a message up. strict puts it in its key's lane. An item with a due time waits for it. One that was taken gives its
// place to the new one.
func (s *scheduler) add(it *item, strict bool, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.items[it.seq]
	if old != nil && !old.taken || s.stopped {
		return
	}
	s.items[it.seq] = it
	if it.place == nil {
		it.place = []journal.Seq{it.seq}
	}
	if strict && it.key != "" {
		name := it.route + "\x00" + it.key
		l := s.lanes[name]
		if l == nil {
			l = &lane{name: name}
			s.lanes[name] = l
		}
		it.lane = l
		i := sort.Search(len(l.items), func(i int) bool { return slices.Compare(l.items[i].place, it.place) > 0 })
		if i == 0 && len(l.items) > 0 && (l.items[0].state == running || l.items[0].state == ready) {
			i = 1 // what is under way stays first
		}
		l.items = slices.Insert(l.items, i, it)
	}
	if old != nil {
		s.drop(old)
	}
	if it.state == blocked {
		return
	}
	if wait := time.Until(due); !due.IsZero() && wait > 0 {
		s.wakeAfter(it, wait)
		return
	}
	s.offer(it)
}

// offer makes it ready if it is the first of its lane. The lock is held.
func (s *scheduler) offer(it *item) {
	if it.state != waiting || it.gone || it.taken || it.lane != nil && it.lane.items[0] != it {
		return
	}
	if it.timer != nil {
		it.timer.Stop()
		it.timer = nil
	}
	if s.loading {
		return
	}
	it.state = ready
	q := s.queue(it.route)
	q.ready = append(q.ready, it)
	s.dispatch(q)
}

// dispatch starts what may run. The lock is held.
func (s *scheduler) dispatch(q *queue) {
	for q.running < s.perRoute && len(q.ready) > 0 && !s.stopped {
		it := q.ready[0]
		q.ready[0] = nil
		q.ready = q.ready[1:]
		if len(q.ready) == 0 {
			q.ready = nil
		}
		if it.gone {
			continue
		}
		if it.taken {
			it.state = waiting
			continue
		}
		it.state = running
		q.running++
		s.active.Add(1)
		go func() {
			defer s.active.Done()
			s.process(it)
		}()
	}
}

func (s *scheduler) wakeAfter(it *item, d time.Duration) {
	it.timer = time.AfterFunc(max(d, 0), func() { s.wake(it) })
}

// wake makes a waiting message ready: its time has come, or its system is back.
func (s *scheduler) wake(it *item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.state == running {
		it.again = true
		return
	}
	s.offer(it)
}

// wakeForWindows lets those look again that wait for a window.
func (s *scheduler) wakeForWindows() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.items {
		if it.state == running {
			it.again = true
		} else if !it.opens.IsZero() {
			s.offer(it)
		}
	}
}

// What becomes of an item after it was worked on.
type fate struct {
	status journal.Status
	ended  bool
	due    time.Time // wait till then; zero and not ended: wait to be woken
	hold   bool
	pass   bool // held, and later ones of its key go on
}

// done takes an item back from the goroutine that processed it.
func (s *scheduler) done(it *item, f fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue(it.route)
	q.running--
	it.status = f.status
	switch {
	case f.ended || it.gone || f.hold && (it.lane == nil || f.pass):
		s.drop(it)
	case f.hold:
		it.state = blocked
		it.body, it.parsed, it.isParsed, it.deliveries = nil, nil, false, nil
		if !f.due.IsZero() {
			it.timer = time.AfterFunc(time.Until(f.due), func() { s.unblock(it) })
		}
	default:
		it.state = waiting
		if it.again {
			s.offer(it)
		} else if !f.due.IsZero() {
			s.wakeAfter(it, time.Until(f.due))
		}
	}
	it.again = false
	s.dispatch(q)
}

func (s *scheduler) unblock(it *item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.state == blocked {
		it.state = waiting
		s.offer(it)
	}
}

// drop forgets an item and lets the next of its lane go. The lock is held.
func (s *scheduler) drop(it *item) {
	it.gone = true
	if s.items[it.seq] == it {
		delete(s.items, it.seq)
	}
	if it.timer != nil {
		it.timer.Stop()
	}
	l := it.lane
	if l == nil {
		return
	}
	if i := slices.Index(l.items, it); i >= 0 {
		l.items = slices.Delete(l.items, i, i+1)
	}
	it.lane = nil
	if len(l.items) == 0 {
		delete(s.lanes, l.name)
		return
	}
	s.offer(l.items[0])
}

// take keeps a message from being begun until it is added anew or given back; its place in its lane stays taken. ok false: it is
// being worked on at this moment, or is in somebody else's hands. The item is nil where the message is not in memory.
func (s *scheduler) take(seq journal.Seq) (it *item, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it = s.items[seq]
	if it == nil {
		return nil, true
	}
	if it.state == running || it.taken {
		return nil, false
	}
	it.taken = true
	return it, true
}

// giveBack lets a taken item go on as it was.
func (s *scheduler) giveBack(it *item) {
	if it == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it.taken = false
	s.offer(it)
}

// forget drops a taken item, unless another has its place already.
func (s *scheduler) forget(it *item) {
	if it == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !it.gone {
		s.drop(it)
	}
}

// load lets f take up messages before any of them begins, and then begins with the oldest.
func (s *scheduler) load(f func() error) error {
	s.mu.Lock()
	s.loading = true
	s.mu.Unlock()
	err := f()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loading = false
	var all []*item
	for _, it := range s.items {
		if it.timer == nil {
			all = append(all, it)
		}
	}
	slices.SortFunc(all, func(a, b *item) int { return slices.Compare(a.place, b.place) })
	for _, it := range all {
		s.offer(it)
	}
	return err
}

// behind says whether a message of that key must wait for an earlier one.
func (s *scheduler) behind(route, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lanes[route+"\x00"+key] != nil
}

// stop lets nothing new begin, and waits for what runs.
func (s *scheduler) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, it := range s.items {
		if it.timer != nil {
			it.timer.Stop()
		}
	}
}

// open counts the open messages in memory, by route, and gives the time of the oldest.
func (s *scheduler) open() (n map[string]int, oldest map[string]time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, oldest = map[string]int{}, map[string]time.Time{}
	for _, it := range s.items {
		if it.state == blocked {
			continue // it waits for a person, and is counted as held
		}
		n[it.route]++
		if o := oldest[it.route]; o.IsZero() || it.received.Before(o) {
			oldest[it.route] = it.received
		}
	}
	return n, oldest
}
