-- password: abcdef
-- users: ada, grace, edsger, barbara, alan, kurt
CREATE TABLE "user" (id bigserial PRIMARY KEY, lower_name varchar(255), name varchar(255), email varchar(255), passwd varchar(255) NOT NULL,
  passwd_hash_algo varchar(255) NOT NULL DEFAULT 'argon2', salt varchar(32), type integer, prohibit_login boolean NOT NULL DEFAULT false);
INSERT INTO "user" (lower_name, name, email, passwd, passwd_hash_algo, salt, type, prohibit_login) VALUES
  ('ada', 'Ada', 'ada@example.com', 'ab48d5471b7e6ed42d10001db88c852ff7303c788e49da5c3c7b63d5adf96360303724b74b679223a3dea8a242d10abb1913', 'pbkdf2', 'aaaaaaaaaa', 0, false),
  ('grace', 'grace', '', '45d6cdc843d65cf0eda7b90ab41435762a282f7df013477a1c5b212ba81dbdca2edf1ecc4b5cb05956bb9e0c37ab29315d78', 'pbkdf2$10000$50', '01020304', 0, true),
  ('edsger', 'edsger', '', '84e233114499e8721da80e85568e5b7b5900b3e49a30845fcda9d1e1756da4547d70f8740ac2b4a5d82f88cebcd27f21bfe2', 'pbkdf2$320000$50', '01020304', 0, false),
  ('barbara', 'barbara', '', '551f089f570f989975b6f7c6a8ff3cf89bc486dd7bbe87ed4d80ad4362f8ee599ec8dda78dac196301b98456402bcda775dc', 'argon2$2$65536$8$50', 'aaaaaaaaaa', 0, false),
  ('alan', 'alan', '', '$2a$10$fjtm8BsQ2crym01/piJroenO3oSVUBhSLKaGdTYJ4tG0ePVCrU0G2', 'bcrypt$10', 'aaaaaaaaaa', 0, false),
  ('kurt', 'kurt', '', '551f089f570f989975b6f7c6a8ff3cf89bc486dd7bbe87ed4d80ad4362f8ee599ec8dda78dac196301b98456402bcda775dc', 'argon2', 'aaaaaaaaaa', 0, false),
  ('org', 'Org', '', '', 'argon2', '', 1, false);
