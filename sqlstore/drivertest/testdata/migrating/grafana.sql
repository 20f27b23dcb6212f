-- password: iamgod
-- users: ada
CREATE TABLE "user" (id serial PRIMARY KEY, login varchar(190), email varchar(190), password varchar(255), salt varchar(50), is_disabled boolean NOT NULL DEFAULT false, is_service_account boolean DEFAULT false);
INSERT INTO "user" (login, email, password, salt, is_service_account) VALUES ('ada', 'ada@example.com', 'e59c568621e57756495a468f47c74e07c911b037084dd464bb2ed72410970dc849cabd71b48c394faf08a5405dae53741ce9', 'pepper', false),
  ('oauth', 'oauth@example.com', NULL, NULL, false), ('sa-robot', '', 'x', 'x', true);
