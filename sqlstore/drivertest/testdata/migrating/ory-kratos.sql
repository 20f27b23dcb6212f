-- password: test
-- users: ada@example.com, grace
CREATE TABLE identities (id uuid PRIMARY KEY, traits jsonb NOT NULL, state varchar(255) NOT NULL DEFAULT 'active');
CREATE TABLE identity_credential_types (id uuid PRIMARY KEY, name varchar(32) NOT NULL);
CREATE TABLE identity_credentials (id uuid PRIMARY KEY, config jsonb NOT NULL, identity_credential_type_id uuid NOT NULL, identity_id uuid NOT NULL);
CREATE TABLE identity_credential_identifiers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), identifier varchar(255) NOT NULL, identity_credential_id uuid NOT NULL);
INSERT INTO identity_credential_types VALUES ('00000000-0000-0000-0000-000000000001', 'password'), ('00000000-0000-0000-0000-000000000002', 'oidc');
INSERT INTO identities VALUES ('00000000-0000-0000-0000-00000000000a', '{}', 'active'), ('00000000-0000-0000-0000-00000000000b', '{}', 'inactive');
INSERT INTO identity_credentials VALUES
  ('00000000-0000-0000-0000-0000000000c1', '{"hashed_password":"$pbkdf2-sha256$i=100000,l=32$1jP+5Zxpxgtee/iPxGgOz0RfE9/KJuDElP1ley4VxXc$QJxzfvdbHYBpydCbHoFg3GJEqMFULwskiuqiJctoYpI"}', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000a'),
  ('00000000-0000-0000-0000-0000000000c2', '{"hashed_password":"$pbkdf2-sha512$i=100000,l=32$bdHBpn7OWOivJMVJypy2UqR0UnaD5prQXRZevj/05YU$+wArTfv1a+bNGO1iZrmEdVjhA+lL11wF4/IxpgYfPwc"}', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000b'),
  ('00000000-0000-0000-0000-0000000000c3', '{}', '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-00000000000a');
INSERT INTO identity_credential_identifiers (identifier, identity_credential_id) VALUES
  ('ada@example.com', '00000000-0000-0000-0000-0000000000c1'), ('github:1', '00000000-0000-0000-0000-0000000000c3'),
  ('grace', '00000000-0000-0000-0000-0000000000c2'), ('grace@example.com', '00000000-0000-0000-0000-0000000000c2');
