CREATE TABLE people (
	id         bigserial PRIMARY KEY,
	email      text NOT NULL,
	password   text,
	status     text NOT NULL DEFAULT 'active',
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz
);
CREATE UNIQUE INDEX people_email ON people (email) WHERE deleted_at IS NULL; -- frees the names of the deleted

CREATE VIEW members AS
	SELECT id, email, password, status = 'banned' AS banned,
		(extract(epoch FROM created_at) * 1000000)::bigint AS created_at
	FROM people WHERE deleted_at IS NULL;

CREATE FUNCTION members_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		UPDATE people SET deleted_at = now() WHERE id = OLD.id;
		RETURN OLD;
	END IF;
	IF TG_OP = 'INSERT' THEN
		INSERT INTO people (email, password, status, created_at)
			VALUES (NEW.email, NEW.password, CASE WHEN NEW.banned THEN 'banned' ELSE 'active' END,
				timestamptz 'epoch' + NEW.created_at * interval '1 microsecond')
			RETURNING id INTO NEW.id;
		RETURN NEW;
	END IF;
	IF NEW.password IS DISTINCT FROM OLD.password THEN -- compare-and-swap: OLD is not locked
		UPDATE people SET password = NEW.password
			WHERE id = OLD.id AND password IS NOT DISTINCT FROM OLD.password;
		IF NOT FOUND THEN
			RETURN NULL;
		END IF;
	END IF;
	IF NEW.banned <> OLD.banned THEN
		UPDATE people SET status = CASE WHEN NEW.banned THEN 'banned' ELSE 'active' END WHERE id = OLD.id;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER members_write INSTEAD OF INSERT OR UPDATE OR DELETE ON members
	FOR EACH ROW EXECUTE FUNCTION members_write();
