// Package sqlstore keeps users, sessions, records and addresses in a database, through
// [database/sql]: PostgreSQL, MariaDB and MySQL, or SQLite. The program imports the driver and opens
// the [sql.DB] that [New] takes. Package sqlstore/sqlite brings a driver for a file of the program's
// own.
//
// A [Store] implements [auth.UserStore], [auth.AccountStore], [auth.SessionStore], [auth.RecordStore],
// and Addresses of package recovery. All replicas of a program share the database and its clock;
// their own clocks may differ. Connect to the primary server, not to a read replica: a replica lags
// behind, and would report a session that has ended as valid. Expired rows stay until [Store.Prune]
// deletes them.
//
// On PostgreSQL each deletion of sessions sends a notification to [Store.Channel]. Package
// sqlstore/pglisten listens there, so that a logout takes effect on every replica at once. A
// notification that nobody receives does no harm: replicas also read the feed of revocations.
//
// [Config].Users replaces the store's table of users by one that the program already has, or a view.
// Call [Store.Check] when the program starts: it finds what would fail at the first login.
//
// Text is compared byte for byte on every dialect, whatever the collation of the database or of the
// connection, because the columns have a collation of their own. See [Names] for a table of the host's.
//
// Behind PgBouncer in transaction mode, add default_query_exec_mode=exec to the URL of pgx, or
// binary_parameters=yes to the URL of lib/pq: statements that these drivers prepare belong to another
// connection otherwise.
package sqlstore
