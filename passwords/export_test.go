package passwords

// LowCostBcrypt returns a Bcrypt below the bounds of NewBcrypt, to keep tests fast.
func LowCostBcrypt(cost int) Bcrypt { return Bcrypt{cost} }

// BcryptSum is the bcrypt core under a given salt.
func BcryptSum(key, salt []byte, cost int) (digest string, err error) {
	sum, err := bcryptSum(key, salt, cost)
	return bcryptBase64.EncodeToString(sum), err
}

// BcryptSalt decodes the text of a bcrypt salt.
func BcryptSalt(text string) ([]byte, error) { return bcryptBase64.DecodeString(text) }
