package pwned

// Count is count, for tests of how answers are read.
var Count = count
