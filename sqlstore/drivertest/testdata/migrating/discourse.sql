-- password: mypass
-- users: ada
CREATE TABLE users (id integer PRIMARY KEY, username varchar(60), username_lower varchar(60), active boolean NOT NULL);
CREATE TABLE user_emails (user_id integer NOT NULL, email varchar(513) NOT NULL, "primary" boolean NOT NULL);
CREATE TABLE user_passwords (user_id integer NOT NULL, password_hash varchar(64) NOT NULL, password_salt varchar(32) NOT NULL, password_algorithm varchar(64) NOT NULL);
INSERT INTO users VALUES (1, 'Ada', 'ada', true), (-1, 'system', 'system', true);
INSERT INTO user_emails VALUES (1, 'ada@example.com', true), (1, 'lovelace@example.com', false), (-1, 'system', true);
INSERT INTO user_passwords VALUES (1, '8d4f9a685ff73eef7b06e07ab5889784775290a0a9cebb6eb4492a695c93a51e', 'mysalt', '$pbkdf2-sha256$i=3,l=32$'), (-1, 'aa', 'x', '$pbkdf2-sha256$i=3,l=32$');
