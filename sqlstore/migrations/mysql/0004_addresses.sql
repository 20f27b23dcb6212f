-- The mail address of a user, for package recovery, at most one for each. There is no foreign key,
-- because the table of users may be the host's.
CREATE TABLE IF NOT EXISTS {prefix}addresses (
	user_id  VARBINARY(255) NOT NULL PRIMARY KEY CHECK (octet_length(user_id) >= 1),
	address  VARBINARY(255) NOT NULL UNIQUE      CHECK (octet_length(address) >= 1),
	verified BOOLEAN        NOT NULL             CHECK (verified IN (0, 1))
) ENGINE = InnoDB;

INSERT INTO {prefix}migrations (version) VALUES (4);
