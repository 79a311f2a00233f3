#!/bin/sh
# Installs the MongoDB-compatible server that the tests of the MongoDB store
# start themselves: SecantusDB from PyPI, in a virtual environment of its own
# below .cache. Does nothing, quietly, when that is already there. A run with
# PORTICO_TEST_MONGODB set to the URI of a real MongoDB does not need it.
set -eu

secantus=0.7.0b3
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/fetch.sh"
venv=$root/.cache/secantus
stamp=$venv/installed-$secantus

[ -e "$stamp" ] && exit 0

fail() {
	echo "scripts/test-mongodb.sh: $*" >&2
	exit 1
}

# The wheel exists for these versions of CPython; its dependencies, as pinned
# below, rule out 3.10.
python=
for candidate in python3 python3.13 python3.12 python3.11; do
	if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
		python=$candidate
		break
	fi
done
[ -n "$python" ] || fail "needs Python 3.11, 3.12 or 3.13 for the MongoDB test server, or PORTICO_TEST_MONGODB=<uri of a MongoDB>"

# One installation at a time: a second make waits for the first.
mkdir -p "$root/.cache"
if command -v flock >/dev/null 2>&1; then
	exec 9>"$root/.cache/secantus.lock"
	flock 9
	[ -e "$stamp" ] && exit 0
fi

rm -rf "$venv"
"$python" -m venv "$venv" || fail "cannot make a virtual environment (on Debian: apt-get install python3-venv)"
again "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
	"SecantusDB==$secantus" pymongo==4.20.0 dnspython==2.9.2 s2sphere==0.2.5 future==1.0.0 \
	shapely==2.2.0 numpy==2.4.6 python-dateutil==4.0.0 tzdata==2026.6 ||
	fail "cannot install SecantusDB $secantus from PyPI"
: >"$stamp"
