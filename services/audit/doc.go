// Package audit lets somebody who was not there prove what the event log says: each message is a leaf of a Merkle tree
// as in RFC 6962, and a checkpoint, signed with the key of the site, says what the tree was at a size. Whoever has a
// copy of a checkpoint and the public key finds every later change of what it covers, without the product's services.
//
// The proof does not cover what happened before a message reached the journal, and not what somebody does who holds both
// the journal and its key: they can sign another log. A checkpoint that was kept elsewhere contradicts it.
package audit
