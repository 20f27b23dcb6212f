-- Times are in microseconds since 1970, UTC. Nearly every use of a session changes expires_at, but
-- seldom its day. Only the day is indexed, so that such a use changes no index.
CREATE TABLE {prefix}sessions (
	id           TEXT    NOT NULL COLLATE BINARY PRIMARY KEY CHECK (length(CAST(id AS BLOB)) = 22),
	user_id      TEXT    NOT NULL COLLATE BINARY             CHECK (length(CAST(user_id AS BLOB)) BETWEEN 1 AND 255),
	created_at   INTEGER NOT NULL,
	last_used_at INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	expires_day  INTEGER NOT NULL GENERATED ALWAYS AS (expires_at / 86400000000) STORED,
	user_agent   TEXT    NOT NULL COLLATE BINARY             CHECK (length(CAST(user_agent AS BLOB)) <= 256),
	ip           TEXT    NOT NULL COLLATE BINARY             CHECK (length(CAST(ip AS BLOB)) <= 45),
	version      INTEGER NOT NULL,
	state        BLOB    NOT NULL                            CHECK (length(state) <= 512)
) STRICT;

CREATE INDEX {prefix}sessions_user ON {prefix}sessions (user_id);

CREATE INDEX {prefix}sessions_expiry ON {prefix}sessions (expires_day);

-- Sessions that have ended (session_id), and users whose tokens without a session have ended
-- (user_id), until their access tokens have expired. The rows of one deletion share a batch, which is
-- random. There is one writer at a time, so that rows are committed in the order of their numbers,
-- and no number is assigned twice.
CREATE TABLE {prefix}revocations (
	number     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	batch      INTEGER NOT NULL,
	session_id TEXT    NOT NULL COLLATE BINARY CHECK (length(CAST(session_id AS BLOB)) IN (0, 22)),
	user_id    TEXT    NOT NULL COLLATE BINARY CHECK (length(CAST(user_id AS BLOB)) <= 255),
	issued_at  INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	UNIQUE (batch, session_id),
	CHECK ((session_id = '') <> (user_id = ''))
) STRICT;

CREATE INDEX {prefix}revocations_expiry ON {prefix}revocations (expires_at);

INSERT INTO {prefix}migrations (version) VALUES (2);
