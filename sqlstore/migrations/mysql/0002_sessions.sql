-- Times are in microseconds since 1970, UTC. Nearly every use of a session changes expires_at, but
-- seldom its day. Only the day is indexed, so that such a use changes no index.
CREATE TABLE IF NOT EXISTS {prefix}sessions (
	id           VARBINARY(22)  NOT NULL PRIMARY KEY CHECK (octet_length(id) = 22),
	user_id      VARBINARY(255) NOT NULL             CHECK (octet_length(user_id) >= 1),
	created_at   BIGINT         NOT NULL,
	last_used_at BIGINT         NOT NULL,
	expires_at   BIGINT         NOT NULL,
	expires_day  INT            GENERATED ALWAYS AS (expires_at DIV 86400000000) STORED,
	user_agent   VARBINARY(256) NOT NULL,
	ip           VARBINARY(45)  NOT NULL,
	version      BIGINT         NOT NULL,
	state        VARBINARY(512) NOT NULL,
	INDEX {prefix}sessions_user (user_id),
	INDEX {prefix}sessions_expiry (expires_day)
) ENGINE = InnoDB;

-- Sessions that have ended (session_id), and users whose tokens without a session have ended
-- (user_id), until their access tokens have expired. The rows of one deletion share a batch, which is
-- random. Rows get a number after they are committed. Until then it is 0.
CREATE TABLE IF NOT EXISTS {prefix}revocations (
	batch      BIGINT         NOT NULL,
	session_id VARBINARY(22)  NOT NULL CHECK (octet_length(session_id) IN (0, 22)),
	user_id    VARBINARY(255) NOT NULL,
	issued_at  BIGINT         NOT NULL,
	expires_at BIGINT         NOT NULL,
	number     BIGINT         NOT NULL DEFAULT 0,
	PRIMARY KEY (batch, session_id),
	CHECK ((session_id = '') <> (user_id = '')),
	INDEX {prefix}revocations_number (number),
	INDEX {prefix}revocations_expiry (expires_at)
) ENGINE = InnoDB;

-- One row: the last number that was assigned.
CREATE TABLE IF NOT EXISTS {prefix}revocations_last (
	id     TINYINT NOT NULL PRIMARY KEY CHECK (id = 1),
	number BIGINT  NOT NULL
) ENGINE = InnoDB;

INSERT INTO {prefix}revocations_last (id, number) VALUES (1, 0) ON DUPLICATE KEY UPDATE number = number;

INSERT INTO {prefix}migrations (version) VALUES (2);
