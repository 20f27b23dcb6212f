-- Small values that change by compare-and-swap. expires_at is in microseconds since 1970, UTC, or NULL
-- for never. Only its hour is indexed, because it seldom changes.
CREATE TABLE {prefix}records (
	id           TEXT    NOT NULL COLLATE BINARY PRIMARY KEY CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 200),
	value        BLOB    NOT NULL                            CHECK (length(value) <= 4096),
	version      INTEGER NOT NULL                            CHECK (version <> 0),
	expires_at   INTEGER,
	expires_hour INTEGER GENERATED ALWAYS AS (expires_at / 3600000000) STORED
) STRICT;

CREATE INDEX {prefix}records_expiry ON {prefix}records (expires_hour);

INSERT INTO {prefix}migrations (version) VALUES (3);
