package sqlstore

import (
	"context"
	"database/sql"

	"github.com/seed-e36e2130/auth"
)

// maxListed is how many users one call of Users returns at most.
const maxListed = 1000

// Users returns up to 1,000 users, with their hashes, in the order in which the database sorts usernames.
// Call it with an empty text first, and then with the last username of each list, until a list is empty:
// it reads the index of usernames and costs the same on every page. Users who come and go meanwhile may
// be left out.
func (s *Store) Users(ctx context.Context, after string) (users []auth.User, err error) {
	const doing = "list users"
	if err := ctx.Err(); err != nil {
		return nil, failed(ctx, doing, err)
	}
	err = s.users.list.rows(ctx, s.db, func(rows *sql.Rows) error {
		u, err := scanUser(rows)
		users = append(users, u)
		return err
	}, after, maxListed)
	if err != nil {
		return nil, failed(ctx, doing, err)
	}
	return users, nil
}
