// Package explain notes how the searches that one request takes are answered by the
// store: which index, how many entries and documents were examined. It owns the Store
// that notes and what is noted; who may know it, and how it is shown, is for others.
//
// What is noted holds names of collections and indexes, filters and numbers. The text
// that is made of it holds no values: no filter's, and no document's.
//
// It may import store.
package explain
