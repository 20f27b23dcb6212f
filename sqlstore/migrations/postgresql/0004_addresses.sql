-- The mail address of a user, for package recovery, at most one for each. There is no foreign key,
-- because the table of users may be the host's.
CREATE TABLE {prefix}addresses (
	user_id  text COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(user_id) BETWEEN 1 AND 255),
	address  text COLLATE "C" NOT NULL UNIQUE      CHECK (octet_length(address) BETWEEN 1 AND 255),
	verified boolean          NOT NULL
);

INSERT INTO {prefix}migrations (version) VALUES (4);
