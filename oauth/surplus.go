package oauth

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/seed-e36e2130/auth"
)

// endSurplus ends the grants of a user that are beyond [Config].GrantsPerUser: first those of the client and
// resource that have just got another one, the least recently used first. So no app can fill the store, or have
// the user's logins ended, which a login does where there are too many sessions. If it fails, the new grant goes on.
func (s *Server) endSurplus(ctx context.Context, began grant) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	list, err := s.Grants(ctx, began.UserID)
	surplus := len(list) - s.cfg.GrantsPerUser
	others := func(g Grant) int {
		if g.ClientID == began.ClientID && g.Resource == began.Resource {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(x, y Grant) int { return cmp.Or(others(x)-others(y), x.LastUsed.Compare(y.LastUsed)) })
	for _, g := range list {
		if surplus <= 0 || err != nil {
			break
		}
		if g.ID != began.ID {
			surplus--
			err = s.drop(ctx, g)
		}
	}
	if err != nil {
		s.log.WarnContext(ctx, "oauth: grants beyond GrantsPerUser were not ended", "user", began.UserID, "error", err)
	}
}

// drop ends one grant. The consent that others of the client may rest on stays.
func (s *Server) drop(ctx context.Context, g Grant) error {
	err := s.endSession(ctx, g.ID)
	if errors.Is(err, auth.ErrSessionNotFound) {
		return nil // another call ends it
	}
	if err == nil {
		err = s.deleteRecord(ctx, g.ID)
	}
	if err == nil {
		s.tellEnded(ctx, EventGrantEnded, g.UserID, g.ID)
	}
	return err
}
