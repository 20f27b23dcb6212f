-- password: Tr0ub4dor&3 zebra
-- users: ada@example.com
CREATE TABLE users (id bigserial PRIMARY KEY, email varchar(255) NOT NULL, password varchar(255) NOT NULL);
INSERT INTO users (email, password) VALUES ('ada@example.com', '$2y$10$ipDkGWtblVex.8Ts.5quw.h7y688tm.BjYmEF1VrZY83UnQMNSXn6');
