// Package desk is how commands talk to the server that has an embedded store open, since no
// other process can: a socket in a directory that only the user can enter who runs the
// server. Whoever gets there may do what could be done to the files as well.
//
// It owns the socket and the conversation; what the errands are, and how they are carried
// out, is the program's.
//
// # The conversation
//
// Both sides send JSON, one value a line. The command begins with what it wants:
//
//	{"protocol":2,"errand":"reindex","by":"ola (process 4711)","with":{…}}
//
// The server answers with any number of lines, of which only the last has no kind:
//
//	{"kind":"tell","text":"Observation: 1200 records so far"}  for the terminal, now
//	{"kind":"alive"}                                           it is still at it
//	{"kind":"answer","answer":{…}}                             to a question
//	{"said":"1300 records, 7 of them with new entries\n"}      it is done
//	{"refused":"…","usage":true}                               it is not; usage: it was wanted wrongly
//
// In some errands the command asks questions meanwhile, one after the other. Behind the line
// come size bytes that are no JSON:
//
//	{"question":{…},"size":48213}
//
// When the command closes its side, or goes away, the errand is broken off, if it is one that can be;
// the last line says how far it came. A line of the server that a command does not wait for
// in vain comes every few seconds: a server that is silent for minutes is given up.
//
// It may import no other of our packages.
package desk
