package redisstore

var (
	Encode        = encode
	Decode        = decode
	DecodeRecord  = decodeRecord
	EncodeRecord  = encodeRecord
	ParseMember   = parseMember
	ParsePosition = parsePosition
)
