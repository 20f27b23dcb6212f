// Package sqlcdb is what sqlc makes of schema.sql and query.sql, for a test of sqlstore on its database.
package sqlcdb
