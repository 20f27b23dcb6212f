-- Small values that change by compare-and-swap. expires_at is in microseconds since 1970, UTC, or NULL
-- for never. Only its hour is indexed, because it seldom changes.
CREATE TABLE IF NOT EXISTS {prefix}records (
	id           VARBINARY(200)  NOT NULL PRIMARY KEY CHECK (octet_length(id) >= 1),
	value        VARBINARY(4096) NOT NULL,
	version      BIGINT          NOT NULL             CHECK (version <> 0),
	expires_at   BIGINT,
	expires_hour BIGINT GENERATED ALWAYS AS (expires_at DIV 3600000000) STORED,
	INDEX {prefix}records_expiry (expires_hour)
) ENGINE = InnoDB;

INSERT INTO {prefix}migrations (version) VALUES (3);
