-- The migrations that have run on this database.
CREATE TABLE IF NOT EXISTS {prefix}migrations (
	version    INTEGER   NOT NULL PRIMARY KEY,
	applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB;
