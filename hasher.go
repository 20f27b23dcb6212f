package auth

import "github.com/seed-e36e2130/auth/passwords"

// Hasher makes and checks password hashes: see [passwords.Hasher].
type Hasher = passwords.Hasher

// RetryError is a refusal that time cures: see [passwords.RetryError].
type RetryError = passwords.RetryError
