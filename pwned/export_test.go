package pwned

// Count is count, which reads an answer.
var Count = count
