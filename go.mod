module github.com/seed-e36e2130/auth

go 1.26.0
