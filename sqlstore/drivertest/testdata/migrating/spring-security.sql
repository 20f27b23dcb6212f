-- password: Tr0ub4dor&3 zebra
-- users: ada
CREATE TABLE users (username varchar(50) NOT NULL PRIMARY KEY, password varchar(500) NOT NULL, enabled boolean NOT NULL);
INSERT INTO users VALUES ('ada', '{bcrypt}$2y$10$ipDkGWtblVex.8Ts.5quw.h7y688tm.BjYmEF1VrZY83UnQMNSXn6', true);
