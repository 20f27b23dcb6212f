-- password: Tr0ub4dor&3 zebra
-- users: Ada, grace
CREATE TEMPORARY TABLE users_field_data (
  uid int unsigned NOT NULL, langcode varchar(12) NOT NULL, name varchar(60) NOT NULL, pass varchar(255), mail varchar(254),
  status tinyint NOT NULL, default_langcode tinyint NOT NULL, PRIMARY KEY (uid, langcode)
);
INSERT INTO users_field_data VALUES (0, 'en', '', NULL, NULL, 0, 1), (1, 'en', 'Ada', '$S$DylCQvyaQjKKajWDYtBdzs9F1PJg0Z4q2DzbEskT9aHSuX6qCVAo', 'ada@example.com', 1, 1),
  (1, 'de', 'Ada', '$S$DylCQvyaQjKKajWDYtBdzs9F1PJg0Z4q2DzbEskT9aHSuX6qCVAo', 'ada@example.com', 1, 0), (2, 'en', 'grace', '$2y$10$ipDkGWtblVex.8Ts.5quw.h7y688tm.BjYmEF1VrZY83UnQMNSXn6', 'grace@example.com', 0, 1);
