-- password: Tr0ub4dor&3 zebra
-- users: ada@example.com
CREATE TABLE users (id bigserial PRIMARY KEY, email varchar(255) NOT NULL, password varchar(255) NOT NULL);
INSERT INTO users (email, password) VALUES ('ada@example.com', '$scrypt$n=16384,r=8,p=1$7YaKhS6DWd/Eg5zTsAjAog$uc3Zy1ngMY9nMnVhUpP0KdnblYxKDmwOWKOSqoxqMrUFmjL4Nzjxo9n/yq3Rity8YQyEm8Nv5Wvpo2JT63+uQg');
