package smtpnotify

import "github.com/seed-e36e2130/auth/recovery"

// Endings of the German texts.
const (
	ignoreDe = "\n\nWenn Sie das nicht angefordert haben, müssen Sie nichts tun. Es ändert sich nichts.\n"
	alarmDe  = "{{if .Time}}\n\nZeit: {{.Time}}{{if .IP}}\nNetzwerkadresse: {{.IP}}{{end}}{{end}}" +
		"\n\nWenn Sie das nicht waren, hat jemand anderes Zugriff auf Ihr Konto: Wenden Sie sich sofort an uns.\n"
)

// germanTexts are the default texts in German.
var germanTexts = map[recovery.Kind]Text{
	recovery.KindReset: {
		"Neues Passwort wählen",
		"Um ein neues Passwort zu wählen, öffnen Sie diesen Link innerhalb von {{.Minutes}} Minuten:\n\n{{.Link}}" + ignoreDe,
	},
	recovery.KindVerify: {
		"Bestätigen Sie Ihre Adresse",
		"Um zu bestätigen, dass diese Adresse Ihnen gehört, öffnen Sie diesen Link:\n\n{{.Link}}" + ignoreDe,
	},
	recovery.KindChange: {
		"Bestätigen Sie Ihre neue Adresse",
		"Damit dies die Adresse Ihres Kontos wird, öffnen Sie diesen Link:\n\n{{.Link}}" + ignoreDe,
	},
	recovery.KindLogin: {
		"Anmelden",
		"Um sich anzumelden, öffnen Sie diesen Link innerhalb von {{.Minutes}} Minuten{{if .Code}}, in dem Browser, in dem Sie ihn angefordert haben{{end}}:" +
			"\n\n{{.Link}}{{if .Code}}\n\nOder geben Sie diesen Code dort ein, und nur dort:\n\n{{.Code}}\n\n" +
			"Wir werden Sie nie danach fragen.{{end}}" + ignoreDe,
	},
	recovery.KindCode: {
		"Ihr Code",
		"Ihr Code für die Anmeldung, gültig für {{.Minutes}} Minuten:\n\n{{.Code}}\n\n" +
			"Geben Sie ihn nur auf der Seite ein, auf der Sie ihn angefordert haben. Wir werden Sie nie danach fragen." + ignoreDe,
	},
	recovery.KindPasswordReset: {
		"Ihr Passwort wurde geändert",
		"Mit einem Link wurde ein neues Passwort gewählt. Sie wurden überall abgemeldet." + alarmDe,
	},
	recovery.KindPasswordChanged: {
		"Ihr Passwort wurde geändert",
		"Jemand, der das Passwort Ihres Kontos kannte, hat es geändert." + alarmDe,
	},
	recovery.KindFactorAdded: {
		"Ihr Konto hat jetzt einen zweiten Faktor",
		"Ab jetzt ist neben dem Passwort ein Code nötig, um sich anzumelden." + alarmDe,
	},
	recovery.KindFactorRemoved: {
		"Der zweite Faktor Ihres Kontos wurde entfernt",
		"Ab jetzt genügt das Passwort, um sich anzumelden." + alarmDe,
	},
	recovery.KindRecoveryCodes: {
		"Ihre Wiederherstellungscodes wurden ersetzt",
		"Die bisherigen Wiederherstellungscodes Ihres Kontos gelten nicht mehr." + alarmDe,
	},
	recovery.KindNewDevice: {
		"Ein neues Gerät hat sich bei Ihrem Konto angemeldet",
		"Jemand hat sich mit einem Gerät angemeldet, das dafür noch nie benutzt wurde." + alarmDe,
	},
	recovery.KindKeyCreated: {
		"Für Ihr Konto wurde ein API-Schlüssel angelegt",
		"Ein Programm, das den Schlüssel hat, kann für Sie handeln, bis er abläuft oder gelöscht wird." + alarmDe,
	},
	recovery.KindKeyRolled: {
		"Ein API-Schlüssel Ihres Kontos wurde ersetzt",
		"Programme brauchen den neuen Schlüssel. Wer ihn hat, kann für Sie handeln, bis er abläuft oder gelöscht wird." + alarmDe,
	},
	recovery.KindChangeAsked: {
		"Eine andere Adresse für Ihr Konto",
		"Jemand hat Ihr Passwort eingegeben und eine andere Adresse für Ihr Konto gewünscht. " +
			"Die Adresse ändert sich, wenn die neue bestätigt ist." + alarmDe,
	},
	recovery.KindChanged: {
		"Die Adresse Ihres Kontos wurde geändert",
		"Dies ist nicht mehr die Adresse Ihres Kontos." + alarmDe,
	},
	recovery.KindDeleted: {
		"Ihr Konto wurde gelöscht",
		"Jemand hat Ihr Passwort eingegeben und Ihr Konto gelöscht." + alarmDe,
	},
}
