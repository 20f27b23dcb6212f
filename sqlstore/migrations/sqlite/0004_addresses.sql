-- The mail address of a user, for package recovery, at most one for each. There is no foreign key,
-- because the table of users may be the host's.
CREATE TABLE {prefix}addresses (
	user_id  TEXT    NOT NULL COLLATE BINARY PRIMARY KEY CHECK (length(CAST(user_id AS BLOB)) BETWEEN 1 AND 255),
	address  TEXT    NOT NULL COLLATE BINARY UNIQUE      CHECK (length(CAST(address AS BLOB)) BETWEEN 1 AND 255),
	verified INTEGER NOT NULL                            CHECK (verified IN (0, 1))
) STRICT, WITHOUT ROWID;

INSERT INTO {prefix}migrations (version) VALUES (4);
