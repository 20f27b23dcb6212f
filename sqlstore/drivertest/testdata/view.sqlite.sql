CREATE TABLE people (
	id         INTEGER PRIMARY KEY,
	email      TEXT NOT NULL,
	password   TEXT,
	status     TEXT NOT NULL DEFAULT 'active',
	created_at INTEGER NOT NULL,
	deleted_at TEXT
);
CREATE UNIQUE INDEX people_email ON people (email) WHERE deleted_at IS NULL; -- frees the names of the deleted

CREATE VIEW members AS
	SELECT id, email, password, status = 'banned' AS banned, created_at FROM people WHERE deleted_at IS NULL;

CREATE TRIGGER members_insert INSTEAD OF INSERT ON members BEGIN
	INSERT INTO people (email, password, status, created_at)
		VALUES (NEW.email, NEW.password, CASE WHEN NEW.banned THEN 'banned' ELSE 'active' END, NEW.created_at);
END;
CREATE TRIGGER members_update INSTEAD OF UPDATE ON members BEGIN
	UPDATE people SET password = NEW.password WHERE id = OLD.id;
	UPDATE people SET status = CASE WHEN NEW.banned THEN 'banned' ELSE 'active' END
		WHERE id = OLD.id AND NEW.banned <> OLD.banned;
END;
CREATE TRIGGER members_delete INSTEAD OF DELETE ON members BEGIN
	UPDATE people SET deleted_at = CURRENT_TIMESTAMP WHERE id = OLD.id;
END;
