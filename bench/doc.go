// Package bench measures a Portico server from outside, over HTTP: what one
// operation costs the server in CPU time, how long the client waits, and how many
// go through in a second, beside the budgets that Portico sets itself.
//
// Without a URL it starts this same program as a child process, with the demo
// clinic in a temporary directory, and reads the child's CPU time from /proc (on
// Linux; elsewhere that column stays empty). What the client itself
// costs is then left out, though client and server share the machine's cores.
//
// Each operation is measured with one client, for the latency, and with several,
// for what it costs a busy server: with one alone the server also pays for
// falling asleep and waking up in between.
//
// Every answer is checked; a wrong one ends the measurement. Time and number of
// operations are bounded. The figures are for comparing on one machine: they
// are no test, and nothing fails because of them.
//
// portico bench gen writes made-up records to load; bench/records makes them.
//
// It imports none of Portico's packages but that one: it sees what any client sees.
package bench
