package accounts

import (
	"errors"
	"os"
)

// down returns an error while there is a file with the name down.
func down() error {
	if _, err := os.Stat("down"); err == nil {
		return errors.New("the store is down")
	}
	return nil
}
