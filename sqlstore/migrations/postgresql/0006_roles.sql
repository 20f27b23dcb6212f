-- Which user has which role, in an organisation or (org = '') in none. Times are in microseconds since 1970,
-- UTC, and ends_at is NULL for never. granted_by is empty for an operator and for users who were deleted. There is
-- no foreign key, because the table of users may be the host's.
CREATE TABLE {prefix}roles (
	user_id    text COLLATE "C" NOT NULL CHECK (octet_length(user_id) BETWEEN 1 AND 255),
	org        text COLLATE "C" NOT NULL CHECK (octet_length(org) <= 255),
	role       text COLLATE "C" NOT NULL CHECK (octet_length(role) BETWEEN 1 AND 64),
	granted_by text COLLATE "C" NOT NULL CHECK (octet_length(granted_by) <= 255),
	granted_at bigint           NOT NULL,
	ends_at    bigint,
	PRIMARY KEY (user_id, org, role)
);

CREATE INDEX {prefix}roles_holders ON {prefix}roles (role, org, user_id);

CREATE INDEX {prefix}roles_granted ON {prefix}roles (granted_by);

CREATE INDEX {prefix}roles_end ON {prefix}roles (ends_at) WHERE ends_at IS NOT NULL;

-- The state of the roles of a user has a version, which tokens name. A user whose roles were never changed has
-- none.
CREATE TABLE {prefix}role_versions (
	user_id text COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(user_id) BETWEEN 1 AND 255),
	version text COLLATE "C" NOT NULL             CHECK (octet_length(version) = 22)
) WITH (fillfactor = 80);

INSERT INTO {prefix}migrations (version) VALUES (6);
