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
	order    journal.Seq // place in its lane: a part of a message stands where the message stood
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
	resolved   bool               // its run has come to deliveries; they are what is left to do
	rerun      bool               // it ran before: some deliveries may have been made
	gated      bool
	confirmed  bool // a person has said: ask again what may have been done

	state  itemState
	gone   bool // ended by a person while it was waiting
	again  bool // woken while it ran
	lane   *lane
	timer  *time.Timer
	probe  *connection // it is the one that tries whether a system is back
	waiter chan adapter.Reply
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
	open    int
}

// scheduler decides which message is worked on next.
type scheduler struct {
	perRoute int
	process  func(*item)

	mu      sync.Mutex // guards all below, and items that are not running
	items   map[journal.Seq]*item
	lanes   map[string]*lane
	queues  map[string]*queue
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

// add takes a message up. strict puts it in its key's lane. An item with a due time waits for it.
func (s *scheduler) add(it *item, strict bool, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items[it.seq] != nil || s.stopped {
		return
	}
	s.items[it.seq] = it
	s.queue(it.route).open++
	if it.order == 0 {
		it.order = it.seq
	}
	if strict && it.key != "" {
		name := it.route + "\x00" + it.key
		l := s.lanes[name]
		if l == nil {
			l = &lane{name: name}
			s.lanes[name] = l
		}
		it.lane = l
		i := sort.Search(len(l.items), func(i int) bool {
			o := l.items[i]
			return o.order > it.order || o.order == it.order && o.seq > it.seq
		})
		if i == 0 && len(l.items) > 0 && (l.items[0].state == running || l.items[0].state == ready) {
			i = 1 // what is under way stays first
		}
		l.items = slices.Insert(l.items, i, it)
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
	if it.state != waiting || it.gone || it.lane != nil && it.lane.items[0] != it {
		return
	}
	if it.timer != nil {
		it.timer.Stop()
		it.timer = nil
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
		s.queue(it.route).open--
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

// remove ends an item that a person ended. One that runs learns of it at its next write.
func (s *scheduler) remove(seq journal.Seq) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.items[seq]
	if it == nil {
		return
	}
	if it.state == running {
		it.gone = true
		return
	}
	s.drop(it)
}

// busy says whether a message is being worked on at this moment.
func (s *scheduler) busy(seq journal.Seq) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.items[seq]
	return it != nil && it.state == running
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
		n[it.route]++
		if o := oldest[it.route]; o.IsZero() || it.received.Before(o) {
			oldest[it.route] = it.received
		}
	}
	return n, oldest
}
