package smtpnotify_test

import (
	"fmt"
	"log"
	"time"

	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/smtpnotify"
)

// A server that accepts mail on port 587 from clients that log in. The host replaces one text and
// keeps the others.
func ExampleNew() {
	cfg := smtpnotify.Config{
		From:     "Example <ops@example.com>",
		Username: "ops", Password: "from a file, not from the source",
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
