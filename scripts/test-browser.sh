#!/bin/sh
# Installs what the browser tests need: a Chromium (Debian's package, when none is
# there), and below .cache the two npm packages that play the app, pinned, with no
# install scripts run. Does nothing, quietly, when all is there already. A run with
# PORTICO_TEST_CHROMIUM set to the path of a Chromium or Chrome uses that.
set -eu

fhirclient=2.6.3
openid=6.8.9
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/fetch.sh"
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
	again apt-get update -qq || fail "cannot update the list of packages"
	export DEBIAN_FRONTEND=noninteractive
	again apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 chromium ||
		fail "cannot install chromium"
	have_chromium || fail "chromium was installed and is not on the path"
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
again npm install --no-audit --no-fund --ignore-scripts --save-exact "openid-client@$openid" ||
	fail "cannot install openid-client $openid from npm"
# Of fhirclient only the file that browsers load: its dependencies are for Node.js.
again npm pack "fhirclient@$fhirclient" && tar -xzf "fhirclient-$fhirclient.tgz" -C fhirclient --strip-components=1 && rm "fhirclient-$fhirclient.tgz" ||
	fail "cannot fetch fhirclient $fhirclient from npm"
: >"$stamp"
