CREATE TABLE people (
	id         BIGINT AUTO_INCREMENT PRIMARY KEY,
	email      VARBINARY(255) NOT NULL UNIQUE,
	password   VARCHAR(255),
	banned     BOOLEAN NOT NULL DEFAULT FALSE,
	created_at BIGINT NOT NULL,
	deleted_at DATETIME
);

CREATE VIEW members AS
	SELECT id, email, password, banned, created_at FROM people WHERE deleted_at IS NULL;
