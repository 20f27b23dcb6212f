-- password: Tr0ub4dor&3 zebra
-- users: Ada, grace
CREATE TEMPORARY TABLE users (uid int unsigned NOT NULL PRIMARY KEY, name varchar(60) NOT NULL, pass varchar(128) NOT NULL, mail varchar(254), status tinyint NOT NULL);
INSERT INTO users VALUES (0, '', '', '', 0), (1, 'Ada', '$S$DylCQvyaQjKKajWDYtBdzs9F1PJg0Z4q2DzbEskT9aHSuX6qCVAo', 'ada@example.com', 1),
  (2, 'grace', 'U$S$D9PQykum16Mo/VSwPsewCa0RU83hqempOEdMKw9LjBru8rqsu9zd', 'grace@example.com', 0);
