-- password: Tr0ub4dor&3 zebra
-- users: ada, grace
CREATE TEMPORARY TABLE oc_users (uid varchar(64) NOT NULL PRIMARY KEY, displayname varchar(64), password varchar(255) NOT NULL, uid_lower varchar(64));
CREATE TEMPORARY TABLE oc_preferences (userid varchar(64) NOT NULL, appid varchar(32) NOT NULL, configkey varchar(64) NOT NULL, configvalue longtext);
INSERT INTO oc_users VALUES ('Ada', 'Ada', '3|$argon2id$v=19$m=65536,t=4,p=1$VTdHa3lrV2hzMUNESmQ0bg$gUEsV4w9g9s1i9oLXtKYv7zemex4hPvoqk5aZMSwt/Q', 'ada'), ('grace', 'Grace', '1|$2y$10$ipDkGWtblVex.8Ts.5quw.h7y688tm.BjYmEF1VrZY83UnQMNSXn6', 'grace');
INSERT INTO oc_preferences VALUES ('grace', 'core', 'enabled', 'false'), ('grace', 'core', 'lang', 'en'), ('Ada', 'settings', 'enabled', 'false');
