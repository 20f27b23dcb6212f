// Package places decides what the use of a refresh token of package oauth means when its client runs
// as several processes.
//
// Such processes read one stored refresh token, refresh on their own, and overwrite each other's
// result. To a server that ends a grant when a used token comes again, honest use looks like theft.
// This package ends a grant on evidence of two holders in two places instead. A used token that comes
// again begins another lineage, which is served beside the first. The package does no I/O and reads no
// clock: a state, a token, a place and a time give the next state and an answer.
//
// # Words
//
//   - A place is the network of the client's address: see [Network]. The state has a keyed digest of
//     it, never the address.
//   - A lineage is a chain of tokens, each the successor of the one before. A [Token] is the ID of its
//     lineage and a number in it.
//   - A place is own if it is proven to be the holder's: the place of the login, and each place from
//     which a lineage came back to an own place. A thief elsewhere has no own place to begin from.
//   - Places between which a lineage went to and fro form a group: they have one holder.
//   - Two places are the same if both are own or both have one group.
//   - A place is busy since a time, seen from a lineage in another place, if another lineage used it
//     last, later than that time, and it is not the same as that other place.
//   - A conflict is a use that an honest holder could only make by a way that the lineage did not show.
//
// # Rule
//
// A genuine token is presented from a place, here. The steps are done in this order:
//
//  1. Arrive: a place that is not known is added, not own, in a group of its own. Of more than 12
//     places, the one that is not own and was used least recently is forgotten.
//  2. Dormant: a copy of a token that was put aside is refused: see dormant.
//  3. Repeat: the last used token of a lineage, within 30 seconds and from its place, is answered again.
//  4. Continue: the newest token of a lineage is served: see strayed for its conflicts, and
//     travel for what its way proves.
//  5. Fork: any other token begins a lineage: see appeared for its conflicts. Of more than 32
//     lineages, the one used least recently is forgotten.
//  6. Count: 6 conflicts within 24 hours, or conflicts on 4 days of 7, end the grant: see count.
//  7. Serve: the answer is the next token of the lineage.
//
// Decision 0128 says how this departs from RFC 9700 section 4.14.2 and from ASVS 10.4.5, and why.
// [Params].Strict follows their letter instead.
package places
