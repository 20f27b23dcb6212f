-- Small values that change by compare-and-swap. expires_at is in microseconds since 1970, UTC, or NULL
-- for never. Only its hour is indexed, because it seldom changes.
CREATE TABLE {prefix}records (
	id           text   COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 200),
	value        bytea              NOT NULL             CHECK (octet_length(value) <= 4096),
	version      bigint             NOT NULL             CHECK (version <> 0),
	expires_at   bigint,
	expires_hour bigint             GENERATED ALWAYS AS (expires_at / 3600000000) STORED
) WITH (fillfactor = 80);

CREATE INDEX {prefix}records_expiry ON {prefix}records (expires_hour);

INSERT INTO {prefix}migrations (version) VALUES (3);
