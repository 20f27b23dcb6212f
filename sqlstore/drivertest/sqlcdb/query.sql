-- name: Person :one
SELECT username, bio, password_hash FROM people WHERE username = $1;
