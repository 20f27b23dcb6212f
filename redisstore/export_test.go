package redisstore

var (
	Encode        = encode
	Decode        = decode
	ParseMember   = parseMember
	ParsePosition = parsePosition
)
