-- password: Tr0ub4dor&3 zebra
-- users: ada@example.com, grace@example.com
CREATE TEMPORARY TABLE customer_entity (
  entity_id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, website_id smallint unsigned, email varchar(255),
  is_active smallint unsigned NOT NULL DEFAULT 1, password_hash varchar(128)
);
INSERT INTO customer_entity (website_id, email, is_active, password_hash) VALUES
  (1, 'ada@example.com', 1, '91940db9a0992379f3f0fa482d27c3d1b390d6ebc8cc1d6c8519b0cc12003d45:yjhU7yqWg5eVytYfqIDbvOPnUubozDfI:3_32_2_67108864'),
  (1, 'grace@example.com', 0, '5af860aae46355cf50f4b288c8f5eb4cd0825a80a56c1cb9a04aca6f21b67f6e:eHO7uI3U8DGbUIORZEAraAlg5Dsrv7RM:1'),
  (1, 'guest@example.com', 1, NULL);
