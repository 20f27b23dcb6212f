package session

import "errors"

// The errors of a [Store] and of a [Keeper].
var (
	ErrNotFound     = errors.New("auth: session not found")       // no such session in the store, or another user's
	ErrConflict     = errors.New("auth: changed by another call") // a compare-and-swap found a newer value
	ErrInvalidGrant = errors.New("auth: invalid refresh token")   // unknown, used up, expired or ended: never said which
)
