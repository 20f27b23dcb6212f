package smtpnotify_test

import (
	"fmt"
	"log"
	"time"

	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/smtpnotify"
)

// A server that takes mails on port 587 for who logs in, and a text of the host's in
// the place of one: the others stay.
func ExampleNew() {
	cfg := smtpnotify.Config{
		From:     "Example <ops@example.com>",
		Username: "ops", Password: "of a file, not of the program",
		StartTLS: true,
		Timeout:  10 * time.Second,
		Texts: map[recovery.Kind]smtpnotify.Text{
			recovery.KindReset: {
				Subject: "Dein neues Passwort",
				Body:    "Innerhalb von {{.Minutes}} Minuten: {{.Link}}\n",
			},
		},
	}
	sender, err := smtpnotify.New("mail.example.com", cfg) // a recovery.Notifier
	if err != nil {
		log.Fatal(err)
	}
	_ = sender
	fmt.Println(cfg)

	_, err = smtpnotify.New("mail.example.com:587", cfg)
	fmt.Println(err)
	// Output:
	// smtpnotify.Config(from Example <ops@example.com>)
	// auth: smtpnotify.New.host "mail.example.com:587": must be a name or an IP address, without the port, which is Config.Port
}
