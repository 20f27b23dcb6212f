package places

import "time"

// Bounds of a state. Its size in the store follows from them: see [MaxSize].
const (
	maxLineages  = 32
	maxPlaces    = 12
	maxTrail     = 6
	maxConflicts = 32
)

const (
	day  = 24 * time.Hour
	week = 7 * day

	// nextDay is how much later a conflict must be to count as one of another day. It is less than
	// a day, because nobody comes at the same minute each day.
	nextDay = day * 4 / 5
)

// Params are the settings of the rule. The zero Params are those that the rule was tried with.
type Params struct {
	// Strict ends a grant as soon as a used token comes again (ASVS 10.4.5, RFC 9700 section 4.14.2).
	// Clients with several processes are then logged out again and again. Places decide nothing but
	// whether a reply may be repeated.
	Strict bool

	// Repeat is how long the last used token of a lineage is answered again with its successor, if
	// it comes from the same place: for requests that a client sends twice, and for lost replies.
	// 0: 30 seconds, or with Strict not at all; negative: not at all.
	Repeat time.Duration

	// TokenLife is the life of an access token. Conflicts count if they lie at least that far
	// apart: when a computer wakes up, all of its processes refresh at once. 0: 15 minutes.
	TokenLife time.Duration

	// Dormant is how long a lineage may rest before it is refused in a strange
	// place, while others are used at home.
	// 0: 2 days.
	Dormant time.Duration

	Conflicts int // conflicts within 24 hours that end a grant; 0: 6; at most 32
	Days      int // days of 7 with conflicts that end a grant; 0: 4; at most 7
}

// withDefaults returns p with its defaults filled in.
func (p Params) withDefaults() Params {
	if p.Repeat == 0 && !p.Strict {
		p.Repeat = 30 * time.Second
	}
	p.TokenLife = orDefault(p.TokenLife, 15*time.Minute)
	p.Dormant = orDefault(p.Dormant, 2*day)
	p.Conflicts = min(orDefault(p.Conflicts, 6), maxConflicts)
	p.Days = min(orDefault(p.Days, 4), 7)
	return p
}

// orDefault returns v, or def if v is not positive.
func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}
