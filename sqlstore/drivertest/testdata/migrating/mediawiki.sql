-- password: Tr0ub4dor&3 zebra
-- users: Ada Lovelace, Grace
CREATE TEMPORARY TABLE user (
  user_id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, user_name varbinary(255) NOT NULL, user_password tinyblob NOT NULL,
  user_email tinytext NOT NULL
);
INSERT INTO user (user_name, user_password, user_email) VALUES ('Ada Lovelace', ':pbkdf2:sha512:30000:64:paFVk/7Id5a8ra1NE8F47A==:ANCIyK/mLtOncMrZM7SGfBNL/om+KsF1In22hpklLtG3egrHDF1wlSx1zUXgWMD/o3bKk61rvGrftyj5l2f8Mg==', 'ada@example.com'),
  ('Grace', ':pbkdf2-legacyB:!sha512:30000:64!c3ba50df!E+keXXd953NDXfqBjG16Mw==!5Se9WsxSHKhotHzSaizAxjZK4tEAdbwQoVm9t9EjzF/cywnXp7d3x1ycKnI/lMBNudbrgIeBTG66hZaMwS9d8A==', 'grace@example.com'), ('Bot', '', '');
