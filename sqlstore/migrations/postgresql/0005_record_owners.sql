-- The user whom a record is about, or NULL. The column and its index are optional, so that servers
-- that run the release before this one can go on beside it: their statements leave it NULL.
ALTER TABLE {prefix}records ADD COLUMN owner text COLLATE "C" CHECK (octet_length(owner) BETWEEN 1 AND 255);

CREATE INDEX {prefix}records_owner ON {prefix}records (owner) WHERE owner IS NOT NULL;

INSERT INTO {prefix}migrations (version) VALUES (5);
