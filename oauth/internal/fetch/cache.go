package fetch

import (
	"container/list"
	"time"
)

// cache keeps documents, and forgets those that were not used for longest. Its zero value is empty. Its
// caller locks.
type cache struct {
	byKey map[key]*list.Element
	used  list.List // of *entry, the last used first
	bytes int
}

type entry struct {
	key        key
	body       []byte
	begun, end time.Time // of the fetch, and of the use
}

// size is about what an entry takes.
func (e *entry) size() int { return len(e.body) + len(e.key.url) + 256 }

// get returns the document that is kept, if it may be used at the time now and was fetched at the time
// notBefore or later.
func (c *cache) get(k key, now, notBefore time.Time) (body []byte, found bool) {
	element := c.byKey[k]
	if element == nil {
		return nil, false
	}
	e := element.Value.(*entry)
	if !now.Before(e.end) {
		c.remove(element)
		return nil, false
	}
	if e.begun.Before(notBefore) {
		return nil, false
	}
	c.used.MoveToFront(element)
	return e.body, true
}

// put keeps a document until a time.
func (c *cache) put(k key, body []byte, begun, end time.Time) {
	if c.byKey == nil {
		c.byKey = map[key]*list.Element{}
	}
	if old := c.byKey[k]; old != nil {
		if begun.Before(old.Value.(*entry).begun) {
			return // a later fetch has ended before
		}
		c.remove(old)
	}
	e := &entry{k, body, begun, end}
	c.byKey[k] = c.used.PushFront(e)
	c.bytes += e.size()
	for len(c.byKey) > maxEntries || c.bytes > maxBytes {
		c.remove(c.used.Back())
	}
}

func (c *cache) remove(element *list.Element) {
	e := c.used.Remove(element).(*entry)
	delete(c.byKey, e.key)
	c.bytes -= e.size()
}
