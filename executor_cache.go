package main

import (
	"container/list"
	"sync"
)

// cache keeps the values used last, bounded by their bytes. It is safe for concurrent use.
type cache[K comparable, V any] struct {
	mu    sync.Mutex
	limit int
	size  int
	order *list.List // of cacheEntry[K, V], the one used last first
	byKey map[K]*list.Element
}

type cacheEntry[K comparable, V any] struct {
	key   K
	value V
	size  int
}

func newCache[K comparable, V any](limit int) *cache[K, V] {
	return &cache[K, V]{limit: limit, order: list.New(), byKey: make(map[K]*list.Element)}
}

func (c *cache[K, V]) get(k K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.byKey[k]
	if !ok {
		return v, false
	}
	c.order.MoveToFront(el)
	return el.Value.(*cacheEntry[K, V]).value, true
}

// put keeps v of about size bytes, and drops the values that were not used for longest.
func (c *cache[K, V]) put(k K, v V, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byKey[k]; ok {
		c.drop(el)
	}
	c.byKey[k] = c.order.PushFront(&cacheEntry[K, V]{k, v, size})
	c.size += size
	for c.size > c.limit && c.order.Len() > 1 {
		c.drop(c.order.Back())
	}
}

// removeIf drops the values that match.
func (c *cache[K, V]) removeIf(match func(V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for el := c.order.Front(); el != nil; {
		next := el.Next()
		if match(el.Value.(*cacheEntry[K, V]).value) {
			c.drop(el)
		}
		el = next
	}
}

func (c *cache[K, V]) drop(el *list.Element) {
	entry := c.order.Remove(el).(*cacheEntry[K, V])
	delete(c.byKey, entry.key)
	c.size -= entry.size
}
