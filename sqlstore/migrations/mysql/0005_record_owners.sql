-- The user whom a record is about, or NULL. The column is optional, so that servers that run the
-- release before this one can go on beside it: their statements leave it NULL. Column and index
-- are added by one statement: a server that has the one has the other. There is no CHECK, because
-- MySQL would copy the table to add it.
ALTER TABLE {prefix}records
	ADD COLUMN owner VARBINARY(255),
	ADD INDEX {prefix}records_owner (owner);

INSERT INTO {prefix}migrations (version) VALUES (5);
