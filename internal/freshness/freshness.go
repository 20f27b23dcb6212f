// Package freshness reads for how long a response of HTTP may be used again (RFC 9111 sections 4.2 and 5.2).
package freshness

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Of returns how long the program that asked may reuse a response: 0 if it may not, and -1 if the headers do
// not say. It reads Cache-Control and, where that does not say, Expires; the Age that a cache on the way has
// written is taken off. What is said for caches that users share is ignored: the response to a program that
// asks for itself is not kept for anybody else.
func Of(header http.Header) time.Duration {
	life := lifetime(header)
	if life <= 0 {
		return life
	}
	if age, err := strconv.ParseUint(header.Get("Age"), 10, 31); err == nil {
		life -= time.Duration(age) * time.Second
	}
	return max(life, 0)
}

func lifetime(header http.Header) time.Duration {
	age := time.Duration(-1)
	for _, line := range header.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store", "no-cache":
				return 0
			case "max-age":
				if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
					age = time.Duration(n) * time.Second
				}
			}
		}
	}
	expires := header.Get("Expires")
	switch {
	case age >= 0:
		return age
	case expires == "":
		return -1
	}
	end, err := http.ParseTime(expires)
	if err != nil {
		return 0 // such as "0": in the past (RFC 9111 section 5.3)
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(end.Sub(now), 0), 1<<31*time.Second)
}
