-- Times are in microseconds since 1970, UTC. Nearly every use of a session changes expires_at, but
-- seldom its day. As no index contains expires_at, the new row can stay on the page of the old one.
CREATE TABLE {prefix}sessions (
	id           text    COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(id) = 22),
	user_id      text    COLLATE "C" NOT NULL             CHECK (octet_length(user_id) BETWEEN 1 AND 255),
	created_at   bigint              NOT NULL,
	last_used_at bigint              NOT NULL,
	expires_at   bigint              NOT NULL,
	expires_day  integer             NOT NULL GENERATED ALWAYS AS ((expires_at / 86400000000)::integer) STORED,
	user_agent   text    COLLATE "C" NOT NULL             CHECK (octet_length(user_agent) <= 256),
	ip           text    COLLATE "C" NOT NULL             CHECK (octet_length(ip) <= 45),
	version      bigint              NOT NULL,
	state        bytea               NOT NULL             CHECK (octet_length(state) <= 512)
) WITH (fillfactor = 80);

CREATE INDEX {prefix}sessions_user ON {prefix}sessions (user_id);

CREATE INDEX {prefix}sessions_expiry ON {prefix}sessions (expires_day);

-- Sessions that have ended (session_id), and users whose tokens without a session have ended
-- (user_id), until their access tokens have expired. The rows of one deletion share a batch, which is
-- random, and the number of their transaction.
CREATE TABLE {prefix}revocations (
	batch      bigint           NOT NULL,
	session_id text COLLATE "C" NOT NULL CHECK (octet_length(session_id) IN (0, 22)),
	user_id    text COLLATE "C" NOT NULL CHECK (octet_length(user_id) <= 255),
	issued_at  bigint           NOT NULL,
	expires_at bigint           NOT NULL,
	number     bigint           NOT NULL DEFAULT txid_current(),
	PRIMARY KEY (batch, session_id),
	CHECK ((session_id = '') <> (user_id = ''))
);

CREATE INDEX {prefix}revocations_number ON {prefix}revocations (number);

CREATE INDEX {prefix}revocations_expiry ON {prefix}revocations (expires_at);

INSERT INTO {prefix}migrations (version) VALUES (2);
