#!/bin/sh
# Installs what the browser tests need: a Chromium (Debian's package, when none is
# there), and below .cache the two npm packages that play the app, pinned, with no
# install scripts run. Does nothing, quietly, when all is there already. A run with
# PORTICO_TEST_CHROMIUM set to the path of a Chromium or Chrome uses that.
set -eu

fhirclient=2.6.3
openid=6.8.9
root=$(cd "$(dirname "$0")/.." && pwd)
apps=$root/.cache/browser
stamp=$apps/installed-$fhirclient-$openid

fail() {
	echo "scripts/test-browser.sh: $*" >&2
	exit 1
}

have_chromium() {
	[ -n "${PORTICO_TEST_CHROMIUM:-}" ] || command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1
}

if ! have_chromium; then
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 ||
		fail "needs Chromium (on Debian: apt-get install chromium), or PORTICO_TEST_CHROMIUM=<path of one>"
	apt-get update -qq >/dev/null || fail "cannot update the list of packages"
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null ||
		fail "cannot install chromium"
fi

[ -e "$stamp" ] && exit 0

command -v npm >/dev/null 2>&1 || fail "needs npm and Node.js (on Debian: apt-get install npm)"

# One installation at a time: a second make waits for the first.
mkdir -p "$root/.cache"
if command -v flock >/dev/null 2>&1; then
	exec 9>"$root/.cache/browser.lock"
	flock 9
	[ -e "$stamp" ] && exit 0
fi

rm -rf "$apps"
mkdir -p "$apps/fhirclient"
cd "$apps"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts --save-exact "openid-client@$openid" ||
	fail "cannot install openid-client $openid from npm"
# Of fhirclient only the file that browsers load: its dependencies are for Node.js.
tarball=$(npm pack --silent "fhirclient@$fhirclient") && tar -xzf "$tarball" -C fhirclient --strip-components=1 && rm "$tarball" ||
	fail "cannot fetch fhirclient $fhirclient from npm"
: >"$stamp"
