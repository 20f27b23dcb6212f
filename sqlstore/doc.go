// Package sqlstore keeps users in a database, through [database/sql]:
// PostgreSQL, MariaDB and MySQL, or SQLite. It brings no driver: that is the
// program's own import. For a file of one's own there is package sqlstore/sqlite,
// which brings one.
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
//	…
//	users, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{})
//	…
//	if err := users.Migrate(ctx); err != nil {
//	…
//	authenticator, err := auth.New(users, tokens, auth.Config{})
//
// Text is compared byte for byte on every dialect, whatever the collation of the
// database or of the connection: the columns have their own.
package sqlstore
