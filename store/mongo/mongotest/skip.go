package mongotest

// Skip names the claims of storetest that the test server cannot keep, with
// the reason. It is empty for a real server.
func Skip() map[string]string {
	if Real() {
		return nil
	}
	return map[string]string{}
}
