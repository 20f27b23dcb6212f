-- password: Tr0ub4dor&3 zebra
-- users: ada@example.com, grace@example.com
CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email varchar(255), encrypted_password varchar(255), banned_until timestamptz, deleted_at timestamptz);
INSERT INTO auth.users VALUES ('00000000-0000-0000-0000-000000000001', 'ada@example.com', '$2y$10$ipDkGWtblVex.8Ts.5quw.h7y688tm.BjYmEF1VrZY83UnQMNSXn6', NULL, NULL),
  ('00000000-0000-0000-0000-000000000002', 'grace@example.com', '$2y$10$ipDkGWtblVex.8Ts.5quw.h7y688tm.BjYmEF1VrZY83UnQMNSXn6', now() + interval '1 day', NULL),
  ('00000000-0000-0000-0000-000000000003', 'google@example.com', '', NULL, NULL),
  ('00000000-0000-0000-0000-000000000004', 'gone@example.com', '$2y$10$ipDkGWtblVex.8Ts.5quw.h7y688tm.BjYmEF1VrZY83UnQMNSXn6', NULL, now());
