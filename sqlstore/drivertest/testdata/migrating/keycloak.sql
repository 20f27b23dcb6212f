-- password: Tr0ub4dor&3 zebra
-- users: ada, grace, edsger, barbara, alan
CREATE TABLE realm (id varchar(36) PRIMARY KEY, name varchar(255));
CREATE TABLE user_entity (id varchar(36) PRIMARY KEY, email varchar(255), enabled boolean NOT NULL DEFAULT false, realm_id varchar(255), username varchar(255));
CREATE TABLE credential (user_id varchar(36), type varchar(255), secret_data text, credential_data text);
INSERT INTO realm VALUES ('r1', 'myrealm'), ('r2', 'master');
INSERT INTO user_entity VALUES ('1', 'ada@example.com', true, 'r1', 'ada'), ('2', NULL, false, 'r1', 'grace'), ('3', NULL, true, 'r1', 'edsger'),
  ('4', NULL, true, 'r1', 'barbara'), ('5', NULL, true, 'r1', 'alan'), ('6', NULL, true, 'r2', 'admin'), ('7', NULL, true, 'r1', 'nobody');
INSERT INTO credential VALUES
  ('1', 'password', '{"value":"Cw3J+iZJtB5B0NljpfkFX+Vgn7JIRuWoplB4ch8YoG+/bk3dtX2t0DZtbwUpLB1LOjyofO+fKVCVTCxAm7njmg==","salt":"Q/TVfD0IOsf8ckWrjTRdDQ==","additionalParameters":{}}', '{"hashIterations":27500,"algorithm":"pbkdf2-sha256","additionalParameters":{}}'),
  ('2', 'password', '{"value":"z8CuN5rh8te+o415cbC7xHR8Djncc3j5d3hbKF92yiD0OfgLfvfPA6iPFASF+OwcPI15PZbq/vDiXlHdNhNeYA==","salt":"9JbatEDB9O4JVNCrizln3Q==","additionalParameters":{}}', '{"hashIterations":30000,"algorithm":"pbkdf2-sha512","additionalParameters":{}}'),
  ('3', 'password', '{"value":"5eJlhzh2uHHtzuvp5q+cT6wj9aF9sdtG5YiNyfw7gnAaIoZ+xuvvIvsirdNz0TWLUVDYtW/E4OPsFKZDgCdfNg==","salt":"QqzycN0XbpD6P32/cDaKNw==","additionalParameters":{}}', '{"hashIterations":20000,"algorithm":"pbkdf2","additionalParameters":{}}'),
  ('4', 'password', '{"value":"4XxJjT4qXAR96ClgJkgiI5YrK58SuqJAdWq2nYeGqIk=","salt":"nUeX0nQY7rYTImr6O9YwRw==","additionalParameters":{}}', '{"hashIterations":600000,"algorithm":"pbkdf2-sha256","additionalParameters":{}}'),
  ('5', 'password', '{"value":"G9PexbZjwC8H98l/9MHq1u4PFxgVCxQ39M2ufMwIIq8=","salt":"VjZwY1FybWdXbGd3SjNaWQ==","additionalParameters":{}}', '{"hashIterations":1,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],"memory":["64"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}'),
  ('6', 'password', '{"value":"Cw3J+iZJtB5B0NljpfkFX+Vgn7JIRuWoplB4ch8YoG+/bk3dtX2t0DZtbwUpLB1LOjyofO+fKVCVTCxAm7njmg==","salt":"Q/TVfD0IOsf8ckWrjTRdDQ==","additionalParameters":{}}', '{"hashIterations":27500,"algorithm":"pbkdf2-sha256","additionalParameters":{}}'),
  ('1', 'otp', '{"value":"JBSWY3DPEHPK3PXP"}', '{"subType":"totp"}');
