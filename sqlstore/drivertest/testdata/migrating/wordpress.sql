-- password: Tr0ub4dor&3 zebra
-- users: Ada, grace
CREATE TEMPORARY TABLE wp_users (
  ID bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, user_login varchar(60) NOT NULL, user_pass varchar(255) NOT NULL,
  user_nicename varchar(50) NOT NULL DEFAULT '', user_email varchar(100) NOT NULL
);
INSERT INTO wp_users (user_login, user_pass, user_email) VALUES
  ('Ada', '$wp$2y$10$6kJ1Y45lPszv2B7P8ajdUeGv6iSDrdkFlEs1/pWh19Kdqd1Dh1xf6', 'ada@example.com'),
  ('grace', '$P$BEGzP/qFHMuFvpau9BLhNK.s9oULiM1', 'grace@example.com');
