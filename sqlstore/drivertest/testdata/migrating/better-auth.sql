-- password: Tr0ub4dor&3 zebra
-- users: ada@example.com
CREATE TABLE "user" (id text PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE account (id text PRIMARY KEY, "accountId" text NOT NULL, "providerId" text NOT NULL, "userId" text NOT NULL, password text);
INSERT INTO "user" VALUES ('u1', 'ada@example.com'), ('u2', 'google@example.com');
INSERT INTO account VALUES ('a1', 'u1', 'credential', 'u1', '09a6b0bb8f7ff78e288fe0512bb90a16:01f4aa7d7f94854a31bac6d1089abdae41494a0113d080b7660b85eab58f749c0c56129aad1d7c27d53cbe1fe4c5713e10c266ce4e5e2b400924ae78ad48095b'), ('a2', '1', 'google', 'u2', NULL);
