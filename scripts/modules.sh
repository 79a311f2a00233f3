#!/bin/sh
# Fetches the modules of all that is built and tested here, and builds the tools that it
# is given (PATH@VERSION...), so that nothing asks for a module when it runs. Does nothing,
# quietly, when it has done so before.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/fetch.sh"

cd "$root"
sum=$(cat go.mod go.sum conformance/*/go.mod conformance/*/go.sum | cksum | tr ' ' -)
stamp=.cache/modules/$sum-$(echo "$@" | cksum | tr ' ' -)
[ -e "$stamp" ] && exit 0

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for module in . conformance/oracle; do
	again go -C "$module" mod download || { echo "$0: cannot fetch the modules of $module/go.mod" >&2; exit 1; }
done
again go -C conformance/provider mod download || echo "$0: cannot fetch the modules of conformance/provider/go.mod" >&2
for tool; do
	again env GOBIN="$tmp" go install "$tool" || { echo "$0: cannot fetch or build $tool" >&2; exit 1; }
done
mkdir -p .cache/modules
: >"$stamp"
