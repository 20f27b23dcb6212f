-- Lengths are in bytes. created_at is in microseconds since 1970, UTC.
CREATE TABLE {prefix}users (
	id            TEXT    NOT NULL COLLATE BINARY PRIMARY KEY CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 255),
	username      TEXT    NOT NULL COLLATE BINARY UNIQUE      CHECK (length(CAST(username AS BLOB)) BETWEEN 1 AND 255),
	password_hash TEXT    NOT NULL COLLATE BINARY             CHECK (length(CAST(password_hash AS BLOB)) <= 1024),
	disabled      INTEGER NOT NULL                            CHECK (disabled IN (0, 1)),
	created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO {prefix}migrations (version) VALUES (1);
