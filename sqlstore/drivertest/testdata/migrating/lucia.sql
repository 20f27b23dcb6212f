-- password: Tr0ub4dor&3 zebra
-- users: ada@example.com, grace:hopper
CREATE TABLE user_key (id varchar(255) PRIMARY KEY, user_id varchar(15) NOT NULL, hashed_password varchar(255));
INSERT INTO user_key VALUES ('email:ada@example.com', 'abcdefghijklmno', 's2:wnew7jduz9vcv6pu:65204db7fd78b4499dce3fd5f22ac5164511c5b6505f70935e6d320d96889b3beb79c257153b8debe9139143fa4e2b84d27d96b879e5d86dfed4ecb78ff2c52e'),
  ('username:grace:hopper', 'bbcdefghijklmno', 's2:NonNYa9Q6DVN043y:7993c90316fa1b0094748a960d13bb7de758707bed1737f4881bda25a4f174326e7e05985271f17eb7a1056b2a05e0acb1337b94911943d8bcd17f5bf9c9f3c5'), ('github:1', 'abcdefghijklmno', NULL);
