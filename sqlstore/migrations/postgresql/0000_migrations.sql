-- The migrations that have run on this database.
CREATE TABLE IF NOT EXISTS {prefix}migrations (
	version    integer     NOT NULL PRIMARY KEY,
	applied_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP
);
