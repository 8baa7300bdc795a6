package journal

import "sync"

// missing are the sequences of the messages that were handed over and are not kept, or not yet: one that was not kept for
// whatever reason stays, until it is handed over again and kept, or the stream is read over it. Up to the first of them,
// and no further, the journal is without a hole.
type missing struct {
	mu sync.Mutex
	of map[uint64]bool
}

func (m *missing) add(sequence uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[uint64]bool{}
	}
	m.of[sequence] = true
}

// before is how far there is no hole, up to a sequence, once a batch is kept.
func (m *missing) before(origin uint64, batch []*pending) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	filled := map[uint64]bool{}
	read := uint64(0) // up to here the stream was read to its end
	for _, p := range batch {
		for _, w := range p.rows {
			filled[w.received.Sequence] = true
		}
		if p.finished {
			read = max(read, p.catches)
		}
	}
	for sequence := range m.of {
		if !filled[sequence] && sequence > read && sequence <= origin {
			origin = sequence - 1
		}
	}
	return origin
}

// kept forgets what a batch has kept, and what the stream was read over.
func (m *missing) kept(batch []*pending) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range batch {
		for _, w := range p.rows {
			delete(m.of, w.received.Sequence)
		}
		if !p.finished {
			continue
		}
		for sequence := range m.of {
			if sequence <= p.catches {
				delete(m.of, sequence)
			}
		}
	}
}
