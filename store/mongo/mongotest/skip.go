package mongotest

// Skip names the claims of storetest that the test server cannot keep, each
// with what it does instead. It is empty for a real server.
func Skip() map[string]string {
	if Real() {
		return nil
	}
	const (
		binary   = "the server orders binary by its bytes before its subtype"
		planner  = "the server's planner leaves this index aside"
		explain  = "the server explains a search as if it had no limit"
		parallel = "the server indexes two arrays together"
		sorting  = "the server sorts elements without the field, and keys through one array, in another way"
	)
	return map[string]string{
		"filters/Eq on a Decimal128 is exact":                              "the server compares Decimal128 with doubles after rounding",
		"filters/a position with a leading zero is a name":                 "the server takes 01 for a position",
		"filters/Range on binary compares length, subtype, bytes":          "the server has no ranges of binary",
		"filters/Elem with Or on fields":                                   "the server has no $or in $elemMatch",
		"filters/Elem on fields takes an array as a document of positions": "the server passes over arrays within arrays",

		"indexes/an index changes no answer":                             "the server intersects both bounds of a range over an array",
		"indexes/two arrays under one index are refused":                 parallel,
		"indexes/an index over documents that it cannot hold is refused": parallel,

		"unique/a multikey unique index reaches into documents": "the server combines keys of different elements",

		"update/refused: an array filled up without bounds": "the server fails with an internal error",
		"hostile/strings are literals":                      "the server takes no _id that is not UTF-8",

		"orders/values of all kinds have one order":                           binary,
		"orders/descending is the reverse":                                    binary,
		"orders/a dotted path sorts through an array of documents":            sorting,
		"orders/two keys through one array sort by the first of its elements": sorting,
		"plans/a condition without an index leaves the index to the others":   planner,
		"plans/an equality and an order over a compound index examine a page": planner,
		"plans/a Range over the second key is used":                           planner,
		"plans/Prefix examines a range of the index":                          planner,
		"plans/a Prefix on an array examines a range of the index":            planner,
		"plans/a page in the order of the index examines a page":              explain,
		"plans/a page further on examines a page":                             explain,
	}
}
