-- Which user has which role, in an organisation or (org = '') in none. Times are in microseconds since 1970,
-- UTC, and ends_at is NULL for never. granted_by is empty for an operator and for users who were deleted. There is
-- no foreign key, because the table of users may be the host's.
CREATE TABLE IF NOT EXISTS {prefix}roles (
	user_id    VARBINARY(255) NOT NULL CHECK (octet_length(user_id) >= 1),
	org        VARBINARY(255) NOT NULL,
	role       VARBINARY(64)  NOT NULL CHECK (octet_length(role) >= 1),
	granted_by VARBINARY(255) NOT NULL,
	granted_at BIGINT         NOT NULL,
	ends_at    BIGINT,
	PRIMARY KEY (user_id, org, role),
	INDEX {prefix}roles_holders (role, org, user_id),
	INDEX {prefix}roles_granted (granted_by),
	INDEX {prefix}roles_end (ends_at)
) ENGINE = InnoDB;

-- The state of the roles of a user has a version, which tokens name. A user whose roles were never changed has
-- none.
CREATE TABLE IF NOT EXISTS {prefix}role_versions (
	user_id VARBINARY(255) NOT NULL PRIMARY KEY CHECK (octet_length(user_id) >= 1),
	version VARBINARY(22)  NOT NULL             CHECK (octet_length(version) = 22)
) ENGINE = InnoDB;

INSERT INTO {prefix}migrations (version) VALUES (6);
