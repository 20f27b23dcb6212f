-- Which of these files this database has seen.
CREATE TABLE IF NOT EXISTS {prefix}migrations (
	version    integer     NOT NULL PRIMARY KEY,
	applied_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP
);
