// Package sqlstore keeps users in a database, through [database/sql]:
// PostgreSQL, MariaDB and MySQL, or SQLite. It brings no driver: that is the
// program's own import, and [New] takes the [sql.DB] that it opened. For a file of
// one's own there is package sqlstore/sqlite, which brings a driver.
//
// Text is compared byte for byte on every dialect, whatever the collation of the
// database or of the connection: the columns have their own.
package sqlstore
