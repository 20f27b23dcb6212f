-- password: correct horse battery staple
-- users: ada
CREATE TABLE "AspNetUsers" ("Id" text PRIMARY KEY, "UserName" varchar(256), "Email" varchar(256), "PasswordHash" text);
INSERT INTO "AspNetUsers" VALUES ('1', 'ada', 'ada@example.com', 'AQAAAAEAACcQAAAAELdBEJc5jfOiS28OlGh5weTc6EqzjkjvW6ymwd3LrTpPG3Z+tThh+cnlAjNtIO83/g=='), ('2', 'google', 'g@example.com', NULL);
