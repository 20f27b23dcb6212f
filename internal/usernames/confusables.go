package usernames

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Data of UTS 39 (Unicode security mechanisms), version 17.0.0; its licence is
// testdata/LICENSE.unicode.
const (
	// latinLetters are the small letters outside ASCII of today's Latin alphabets: those of script
	// Latin in IdentifierStatus.txt, without the ones that RFC 8265 refuses.
	latinLetters = "ßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿāăąćĉċčďđēėęěĝğġģĥħĩīįıĵķĺļľłńņňŋōőœŕřśŝşšťŧũūŭůűųŵŷźżž" +
		"ƒƙơưƴǎǐǒǔǝǧǩǯǹșțɍɓɔɖɗəɛɣɨɩɲʉʋʒḍḓḡḥḷḽḿṃṅṇṉṋṛṣṭṱẍẓạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ"

	// latinMarks are the marks above and below letters for which Unicode has no composed character, as
	// in Yoruba, and that are not confusable with each other.
	latinMarks = "\u0300\u0301\u0302\u0303\u0304\u0308\u0323\u0331"

	// asciiTwins are the characters whose skeleton, by confusables.txt, is ASCII. Left out are those
	// that are refused without this list: by RFC 8265, as digits or modifier letters, by latinLetters,
	// and ı because of its capital.
	asciiTwins = "\u00e6\u00fe\u0153\u0192\u0263\u0269\u028b" + // Latin
		"\u03b1\u03b3\u03b9\u03bd\u03bf\u03c1\u03c3\u03c5\u03ed\u03f3\u03f8" + // Greek
		"\u0430\u0431\u0433\u0435\u043e\u0440\u0441\u0443\u0445\u0448\u0455\u0456\u0458\u0461\u0475" + // Cyrillic
		"\u0491\u04af\u04bb\u04bd\u04cf\u04d5\u0501\u051b\u051d" +
		"\u0561\u0563\u0566\u0570\u0578\u057c\u057d\u0581\u0582\u0584\u0585" + // Armenian
		"\u05d5\u05d8\u05d9\u05df\u05e1\u05f0\u05f1\u05f2\u05f3\u05f4\u0627\u0647\u06be\u06c1\u06d5" + // Hebrew, Arabic
		"\u07ca\u07f4\u07f5\u0903\u097d\u0a83\u0b03\u0b20\u0c02\u0c82\u0d02\u0d1f\u0d20\u0d82" + // N'Ko, Indic
		"\u1004\u101d\u105a\u10e7\u10ff\u1200\u12d0" + // Myanmar, Georgian, Ethiopic
		"\u142f\u1433\u1438\u144a\u144c\u1467\u146d\u146f\u1472\u1486\u1487\u1488\u148d\u14aa\u14bf" + // Canadian Syllabics
		"\u1541\u157c\u157d\u1587\u15af\u15b4\u15c5\u15de\u15ea\u15f0\u15f7" +
		"\u16b2\u16b7\u16c1\u16cc\u16d5\u16d6\u1d26\u2c85\u2c93\u2c9f\u2ca3\u2ca5\u2ca9" + // Runic, Coptic
		"\u2cbb\u2cbd\u2cc7\u2ccb\u2ccf\u2cd3\u2d38\u2d39\u2d4f\u2d51\u2d54\u2d55\u2d5d" + // Tifinagh
		"\u3007\u30ce\u4e36\u4e3f" + // Han, Katakana
		"\ua4d0\ua4d1\ua4d2\ua4d3\ua4d4\ua4d6\ua4d7\ua4d9\ua4da\ua4dc\ua4dd\ua4df\ua4e0\ua4e1\ua4e2" + // Lisu
		"\ua4e3\ua4e6\ua4e7\ua4ea\ua4eb\ua4ec\ua4ee\ua4f0\ua4f2\ua4f3\ua4f4\ua4f8\ua4f9\ua4fa\ua4fb\ua4fd" +
		"\ua647\ua699\ua6df\uab75\uab81\uab83\uab93\uaba9\uabaa\uabaf" + // Cyrillic, Bamum, Cherokee
		"\U00010282\U00010286\U00010287\U0001028a\U00010290\U00010292\U00010295\U00010296\U00010297\U0001029b" + // Lycian
		"\U000102a0\U000102a1\U000102a2\U000102a5\U000102ab\U000102b0\U000102b1\U000102b2\U000102b4\U000102cf" + // Carian
		"\U00010301\U00010302\U00010309\U00010311\U00010315\U00010317\U0001031a\U0001031f" + // Old Italic
		"\U0001042c\U0001043d\U00010448\U000104ea\U000104f6" + // Deseret, Osage
		"\U00010513\U00010516\U00010518\U0001051c\U0001051d\U00010525\U00010526\U00010527" + // Elbasan
		"\U00011700\U00011706\U0001170a\U0001170e\U0001170f" + // Ahom
		"\U000118c0\U000118c1\U000118c2\U000118c3\U000118c4\U000118c6\U000118c8\U000118ca\U000118cc" + // Warang Citi
		"\U000118d5\U000118d6\U000118d7\U000118d8\U000118dc" +
		"\U00016f08\U00016f0a\U00016f16\U00016f28\U00016f35\U00016f3a\U00016f3b\U00016f3f\U00016f40" + // Miao
		"\U00016f42\U00016f43\U00016f51\U00016f52\U0001d16d"
)

// mixed lists the scripts that one name may mix (UTS 39 section 5.2, "Highly Restrictive").
var mixed = [][]string{{"Latin", "Han", "Hiragana", "Katakana"}, {"Latin", "Han", "Bopomofo"}, {"Latin", "Han", "Hangul"}}

// maxMarks bounds the marks on one letter (UTS 39 section 5.4).
const maxMarks = 4

// distinct returns an error if a canonical name outside ASCII is confusable with another name. That is
// checked in full against ASCII names, in any case, and against other names as far as no language
// loses a letter. The words of a name and the two sides of an "@" are checked separately. A host's own
// rule may keep capitals and more characters than RFC 8265, so each word is folded first. See decision
// 0081.
func distinct(name string) error {
	if !strings.ContainsFunc(name, outsideASCII) {
		return nil
	}
	for word := range strings.FieldsSeq(name) {
		folded, err := Precis(word)
		twin := capitalTwin(folded)
		switch {
		case err != nil:
			folded = strings.ToLower(word)
		case !strings.EqualFold(folded, word) || !strings.ContainsFunc(folded, outsideASCII) && strings.ContainsFunc(word, outsideASCII):
			return because("%q looks like %q", word, folded)
		case twin != "":
			return because("in capitals, %s is another letter, so that another name looks the same", describe(twin))
		}
		for part := range strings.SplitSeq(folded, "@") {
			if err := distinctPart(part); err != nil {
				return err
			}
		}
	}
	return nil
}

// capitalTwin returns the first letter of a name that the name does not get back when it is written in
// capitals and folded again, or "".
func capitalTwin(name string) string {
	again, err := fromCapitals(name)
	if err == nil && again == name {
		return ""
	}
	letters, twin := []rune(name), []rune(again)
	for i, c := range letters {
		if i >= len(twin) || twin[i] != c {
			return string(c)
		}
	}
	return name
}

// fromCapitals returns the canonical form of a name in capitals, where ß becomes SS. RFC 8265 has no
// rule for the final sigma (section 3.5), so it is restored here at the end of a word.
func fromCapitals(name string) (string, error) {
	again, err := Precis(strings.ToUpper(strings.ReplaceAll(name, "ß", "ss")))
	letters := []rune(again)
	inWord := func(i int) bool {
		return i >= 0 && i < len(letters) && unicode.In(letters[i], unicode.L, unicode.M)
	}
	for i, c := range letters {
		if c == 'σ' && inWord(i-1) && !inWord(i+1) {
			letters[i] = 'ς'
		}
	}
	return string(letters), err
}

func distinctPart(part string) error {
	in := scripts(part)
	within := func(of []string) bool {
		return !slices.ContainsFunc(in, func(s string) bool { return !slices.Contains(of, s) })
	}
	if len(in) > 1 && !slices.ContainsFunc(mixed, within) {
		return because("it mixes letters of the scripts %s", strings.Join(slices.Sorted(slices.Values(in)), ", "))
	}
	latin := slices.Contains(in, "Latin")
	outside, twins, start := 0, 0, 0
	for i, c := range part {
		if !unicode.Is(unicode.Mn, c) {
			start = i // the letter that marks stand on
		}
		if !outsideASCII(c) {
			continue
		}
		outside++
		if strings.ContainsRune(asciiTwins, c) {
			twins++
		}
		if strange(c, latin) {
			if unicode.Is(unicode.Mn, c) {
				return because("the mark on %s is easily taken for another", describe(part[start:i]+string(c)))
			}
			return because("%s is easily taken for another character", describe(string(c)))
		}
	}
	if outside > 0 && twins == outside {
		return because("it is easily taken for a name in ASCII letters")
	}
	run, last := 0, rune(0)
	for _, c := range norm.NFD.String(part) {
		if !unicode.Is(unicode.Mn, c) {
			run, last = 0, 0
			continue
		}
		if run++; c == last || run > maxMarks {
			return because("marks stand on one another")
		}
		last = c
	}
	return nil
}

func outsideASCII(c rune) bool { return c > unicode.MaxASCII }

// strange reports whether a character is confusable wherever it stands: a digit of another system, a
// joiner, a modifier letter, a Latin letter of no alphabet, or a mark that was not composed or belongs
// to another script.
func strange(c rune, latin bool) bool {
	return unicode.In(c, unicode.Nd, unicode.Join_Control) ||
		c >= 0x2b0 && c <= 0x2ff ||
		unicode.Is(unicode.Latin, c) && !strings.ContainsRune(latinLetters, c) ||
		unicode.Is(unicode.M, c) && (latin || c < 0x370) && !strings.ContainsRune(latinMarks, c)
}

// scripts returns the scripts of s, without Common and Inherited.
func scripts(s string) (in []string) {
	for name, table := range unicode.Scripts {
		if name != "Common" && name != "Inherited" && strings.ContainsFunc(s, func(c rune) bool { return unicode.Is(table, c) }) {
			in = append(in, name)
		}
	}
	return in
}
