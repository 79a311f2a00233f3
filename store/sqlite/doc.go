// Package sqlite is the embedded store: one SQLite file in a directory of its
// own, for one process.
//
// It owns the file's layout, the group-commit writer, the read connections and
// the planner that answers queries from declared indexes. What a filter, an
// order or an update means is not decided here but in package store; whatever
// an index leaves open goes through store.Match.
//
// # Layout
//
// All keys are in the order-preserving form of store.AppendKey, so that SQLite,
// which compares bytes, walks them in the order of store.Compare.
//
//	portico_collections  cid, name
//	portico_indexes      iid, cid, name, definition, multi
//	portico_counts       iid, key, n: counters
//	d<cid>               rid INTEGER PRIMARY KEY, id = key(_id) UNIQUE, doc = form byte + BSON
//	l<cid>               rid INTEGER PRIMARY KEY, list: a list of strings that doc lacks
//	i<iid>               key = fence PRIMARY KEY, run; WITHOUT ROWID
//	portico_recent       seq, edits, upto, done: of index entries, that are not in the runs yet
//	portico_strings      number, string: those that many lists have
//
// A document has an entry in i<iid> for each of store.Entries: the index's keys,
// then _id unless it is among them, and the rid. Entries stand in the order of
// their bytes in runs of up to a kilobyte, a row each, in which every entry has
// only what its key does not share with the one before: neighbors share
// most. The fence of a run is above all entries of the run before and not above its own; the
// first is empty. That the _id ends every key makes each index walk its entries in a
// total order, and a cursor a position in it. A loose index leaves the _id
// out: those few entries that have the same keys are put in order when they are read. multi has
// a bit for each key that some document has had several values of: only then can
// a document turn up twice.
//
// A document has dozens of entries, each with its place in another run. To rewrite those for every
// document would cost more than all else, so the entries of the last writes are kept in memory, as
// edits: a row of portico_recent for each transaction brings them back after a restart, readers see
// runs and edits as one, each the edits of its own snapshot, and from some megabytes on the oldest are
// carried out in the order of their keys, so that a run is rewritten for several at once. When
// nothing else is to do, all are.
//
// A store that is being loaded (Options.Loading) keeps edits as portico_recent has them, packed, and carries
// out those of tens of thousands of documents in one go through the indexes. Whoever searches then has them
// all carried out first. What a load that was broken off left is carried out when the file is opened.
//
// A list of strings in a document, which an index is made of, is kept apart from it, as
// hardly anybody reads it. In it strings that come often are numbers.
//
// What fills several runs of an index and has one string as its first key has a counter, and so have the
// documents of a collection of some size. A counter changes in the transactions
// that change what it counts: the documents, or the entries in the runs.
//
// PRAGMA user_version holds the number of this layout, 4. A file of layout 1, which had a
// row for each entry, 2, without edits and numbers, or 3, with other counters, is brought to it when it is opened.
//
// # Durability
//
// The file is in WAL mode with synchronous=FULL. One goroutine writes: calls of
// Apply that wait together share a transaction and its fsync, each in its own
// savepoint, and each is answered after the commit. Readers use a snapshot and
// neither wait for the writer nor hold it up.
//
// When it is closed, a file gives back what it does not use if that is much (auto_vacuum=INCREMENTAL; one
// that an earlier version of this program made keeps it for what comes).
//
// It imports store, and modernc.org/sqlite's transpiled C interface.
package sqlite
