// Package sqlstore keeps users, sessions and records in a database, through
// [database/sql]: PostgreSQL, MariaDB and MySQL, or SQLite. It brings no driver:
// that is the program's own import, and [New] takes the [sql.DB] that it opened. For
// a file of one's own there is package sqlstore/sqlite, which brings a driver.
//
// One [Store] is all of [auth.UserStore], [auth.AccountStore], [session.Store]
// and [auth.RecordStore], and the Addresses of package recovery. All replicas of a
// program share the database, and its clock: theirs may differ. Connect to the
// server that is written to, not to a copy that follows it: a copy is behind, and
// says that a session goes on which has ended. What has expired stays until
// [Store.Prune].
//
// On PostgreSQL each deletion of sessions notifies [Store.Channel]: package
// sqlstore/pglisten listens there, so that a logout is in effect on every replica at
// once. What is notified while nobody listens is found by the feed.
//
// [Config].Users puts a table of users that the program already has in the place of
// the library's own.
//
// Text is compared byte for byte on every dialect, whatever the collation of the
// database or of the connection: the columns have their own.
package sqlstore
