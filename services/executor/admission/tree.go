package admission

// tree holds requests in their order, each with a weight, and answers what stands before one, and where the weights
// exceed a sum. All of it takes a time that grows with the logarithm of how many there are. It is a treap: a search
// tree by the order, and a heap by priorities that are as good as random. The zero value is empty.
type tree struct {
	root *node
	made uint64 // nodes so far, from which the priorities come
}

type node struct {
	entry       *entry
	weight      int
	priority    uint64
	left, right *node

	size, sum int // of the subtree
}

func (n *node) total() (size, sum int) {
	if n == nil {
		return 0, 0
	}
	return n.size, n.sum
}

// summed brings a node's sums up to date.
func (n *node) summed() *node {
	leftSize, leftSum := n.left.total()
	rightSize, rightSum := n.right.total()
	n.size, n.sum = leftSize+1+rightSize, leftSum+n.weight+rightSum
	return n
}

func (t *tree) len() int {
	size, _ := t.root.total()
	return size
}

// put adds a request, or gives it another weight.
func (t *tree) put(e *entry, weight int) {
	if t.reweigh(t.root, e, weight) {
		return
	}
	t.made++
	left, right := split(t.root, e)
	t.root = merge(merge(left, (&node{entry: e, weight: weight, priority: scatter(t.made)}).summed()), right)
}

func (t *tree) reweigh(n *node, e *entry, weight int) (found bool) {
	if n == nil {
		return false
	}
	switch order := e.compare(n.entry); {
	case order < 0:
		found = t.reweigh(n.left, e, weight)
	case order > 0:
		found = t.reweigh(n.right, e, weight)
	default:
		n.weight, found = weight, true
	}
	if found {
		n.summed()
	}
	return found
}

// drop takes a request out, if it is there.
func (t *tree) drop(e *entry) { t.root = without(t.root, e) }

func without(n *node, e *entry) *node {
	if n == nil {
		return nil
	}
	switch order := e.compare(n.entry); {
	case order < 0:
		n.left = without(n.left, e)
	case order > 0:
		n.right = without(n.right, e)
	default:
		return merge(n.left, n.right)
	}
	return n.summed()
}

// before counts who stands before a request, which need not be there, and sums up their weights.
func (t *tree) before(e *entry) (count, sum int) {
	for n := t.root; n != nil; {
		if e.compare(n.entry) <= 0 {
			n = n.left
			continue
		}
		size, weight := n.left.total()
		count, sum = count+size+1, sum+weight+n.weight
		n = n.right
	}
	return count, sum
}

// at is the request at a place, counted from 0.
func (t *tree) at(place int) *entry {
	for n := t.root; ; {
		size, _ := n.left.total()
		switch {
		case place < size:
			n = n.left
		case place > size:
			place -= size + 1
			n = n.right
		default:
			return n.entry
		}
	}
}

// crossing is the first request with which the weights exceed a sum, its place, and the sum before it. There may be
// none: then the place is behind all.
func (t *tree) crossing(most int) (e *entry, place, before int) {
	for n := t.root; n != nil; {
		size, sum := n.left.total()
		switch {
		case size > 0 && before+sum > most:
			n = n.left
		case before+sum+n.weight > most:
			return n.entry, place + size, before + sum
		default:
			place, before = place+size+1, before+sum+n.weight
			n = n.right
		}
	}
	return nil, place, before
}

// split parts a subtree into what stands before a request and what does not.
func split(n *node, e *entry) (left, right *node) {
	if n == nil {
		return nil, nil
	}
	if e.compare(n.entry) <= 0 {
		left, n.left = split(n.left, e)
		return left, n.summed()
	}
	n.right, right = split(n.right, e)
	return n.summed(), right
}

// merge joins two subtrees of which one stands before the other.
func merge(left, right *node) *node {
	switch {
	case left == nil:
		return right
	case right == nil:
		return left
	case left.priority >= right.priority:
		left.right = merge(left.right, right)
		return left.summed()
	default:
		right.left = merge(left, right.left)
		return right.summed()
	}
}

// scatter spreads numbers that follow each other over all numbers (the mixer of splitmix64).
func scatter(n uint64) uint64 {
	n *= 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
