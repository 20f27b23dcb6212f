-- Which user has which role, in an organisation or (org = '') in none. Times are in microseconds since 1970,
-- UTC, and ends_at is NULL for never. granted_by is empty for an operator and for users who were deleted. There is
-- no foreign key, because the table of users may be the host's.
CREATE TABLE {prefix}roles (
	user_id    TEXT    NOT NULL COLLATE BINARY CHECK (length(CAST(user_id AS BLOB)) BETWEEN 1 AND 255),
	org        TEXT    NOT NULL COLLATE BINARY CHECK (length(CAST(org AS BLOB)) <= 255),
	role       TEXT    NOT NULL COLLATE BINARY CHECK (length(CAST(role AS BLOB)) BETWEEN 1 AND 64),
	granted_by TEXT    NOT NULL COLLATE BINARY CHECK (length(CAST(granted_by AS BLOB)) <= 255),
	granted_at INTEGER NOT NULL,
	ends_at    INTEGER,
	PRIMARY KEY (user_id, org, role)
) STRICT, WITHOUT ROWID;

CREATE INDEX {prefix}roles_holders ON {prefix}roles (role, org, user_id);

CREATE INDEX {prefix}roles_granted ON {prefix}roles (granted_by);

CREATE INDEX {prefix}roles_end ON {prefix}roles (ends_at) WHERE ends_at IS NOT NULL;

-- The state of the roles of a user has a version, which tokens name. A user whose roles were never changed has
-- none.
CREATE TABLE {prefix}role_versions (
	user_id TEXT NOT NULL COLLATE BINARY PRIMARY KEY CHECK (length(CAST(user_id AS BLOB)) BETWEEN 1 AND 255),
	version TEXT NOT NULL COLLATE BINARY             CHECK (length(CAST(version AS BLOB)) = 22)
) STRICT, WITHOUT ROWID;

INSERT INTO {prefix}migrations (version) VALUES (6);
