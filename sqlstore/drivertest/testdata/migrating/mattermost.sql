-- password: hunter2
-- users: ada
CREATE TABLE users (id varchar(26) PRIMARY KEY, deleteat bigint, username varchar(64) UNIQUE, password varchar(128), authservice varchar(32), email varchar(128));
INSERT INTO users VALUES ('abcdefghijklmnopqrstuvwxyz', 0, 'ada', '$pbkdf2$f=SHA256,w=600000,l=32$2H1h37Jzrfgk/ZZxlkosvA$lkERvYQfFUbBycl1MnNSkk4wu+SyoC35oek0zGow8dk', '', 'ada@example.com'),
  ('bbcdefghijklmnopqrstuvwxyz', 0, 'sso', '', 'saml', 'sso@example.com');
