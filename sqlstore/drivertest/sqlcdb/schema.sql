CREATE TABLE people (username text PRIMARY KEY, bio text NOT NULL DEFAULT '', password_hash text);
