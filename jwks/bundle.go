package jwks

import (
	"strings"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// keysOfBundle returns a SPIFFE bundle as the JWK set of its keys for JWT-SVIDs, whose use is
// "jwt-svid" there and "sig" in every other set. Keys with the use "x509-svid" stay, and are skipped
// like others of a use that is not known (SPIFFE Trust Domain and Bundle section 4.2.2). Keys for
// EdDSA are left out, because JWT-SVIDs are never signed with it (JWT-SVID section 2.1). A text that
// cannot be read is returned as it is, for parseKeySet to refuse.
func keysOfBundle(text string) string {
	var keep []string
	_, err := strictjson.Elements(text, "keys", func(element string) error {
		jwk, isOKP, separator := []byte("{"), false, ""
		err := strictjson.Object(element, func(name, value string) error {
			text, _ := strictjson.Text(value)
			switch {
			case name == "use" && text == "jwt-svid":
				value = `"sig"`
			case name == "kty" && text == "OKP":
				isOKP = true
			}
			jwk = append(jwk, separator...)
			separator = ","
			var err error
			if jwk, err = strictjson.AppendText(jwk, name); err != nil {
				return err
			}
			jwk = append(append(jwk, ':'), value...)
			return nil
		})
		switch {
		case isOKP:
		case err != nil:
			keep = append(keep, element)
		default:
			keep = append(keep, string(append(jwk, '}')))
		}
		return nil
	})
	if err != nil {
		return text
	}
	return `{"keys":[` + strings.Join(keep, ",") + `]}`
}
