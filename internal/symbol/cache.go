package symbol

import (
	"container/list"
	"sync"
)

// cache holds what was read from files, the most recently used of it, within a number of bytes. It
// is safe for concurrent use.
type cache struct {
	mu    sync.Mutex
	limit int
	bytes int
	order *list.List // of *cached, most recently used first
	held  map[string]*list.Element
}

type cached struct {
	key   string
	value any
	bytes int
}

func newCache(limit int) *cache {
	return &cache{limit: limit, order: list.New(), held: make(map[string]*list.Element)}
}

func (c *cache) get(key string) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.held[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).value, true
}

// put holds a value until others need its place. One that is larger than the whole is not held.
func (c *cache) put(key string, value any, bytes int) {
	bytes += len(key) + 128 // what holding it takes
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.held[key]; ok {
		c.remove(e)
	}
	if bytes > c.limit {
		return
	}
	c.held[key] = c.order.PushFront(&cached{key, value, bytes})
	for c.bytes += bytes; c.bytes > c.limit; {
		c.remove(c.order.Back())
	}
}

func (c *cache) remove(e *list.Element) {
	v := c.order.Remove(e).(*cached)
	delete(c.held, v.key)
	c.bytes -= v.bytes
}

// size is how many bytes are held.
func (c *cache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}
