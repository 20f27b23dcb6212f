-- Lengths are in bytes. created_at is in microseconds since 1970, UTC.
CREATE TABLE {prefix}users (
	id            text    COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 255),
	username      text    COLLATE "C" NOT NULL UNIQUE      CHECK (octet_length(username) BETWEEN 1 AND 255),
	password_hash text    COLLATE "C" NOT NULL             CHECK (octet_length(password_hash) <= 1024),
	disabled      boolean             NOT NULL,
	created_at    bigint              NOT NULL
);

INSERT INTO {prefix}migrations (version) VALUES (1);
