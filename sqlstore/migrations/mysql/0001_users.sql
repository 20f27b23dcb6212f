-- Text is UTF-8 in binary columns, because MySQL and MariaDB share no collation that compares trailing
-- spaces. created_at is in microseconds since 1970, UTC. MySQL commits each CREATE TABLE at once: a
-- server that stops before the INSERT runs this file again.
CREATE TABLE IF NOT EXISTS {prefix}users (
	id            VARBINARY(255)  NOT NULL PRIMARY KEY CHECK (octet_length(id) >= 1),
	username      VARBINARY(255)  NOT NULL UNIQUE      CHECK (octet_length(username) >= 1),
	password_hash VARBINARY(1024) NOT NULL,
	disabled      BOOLEAN         NOT NULL             CHECK (disabled IN (0, 1)),
	created_at    BIGINT          NOT NULL
) ENGINE = InnoDB;

INSERT INTO {prefix}migrations (version) VALUES (1);
