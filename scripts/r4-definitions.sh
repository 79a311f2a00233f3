#!/bin/sh
# Fetches the official R4 definitions and examples (npm package
# hl7.fhir.r4.examples, CC0) into .cache/r4-examples/package, where generators
# and tests look for them. Does nothing when they are there already.
#
# R4_EXAMPLES_TGZ names a copy of the package to use instead of the npm registry.
set -eu

package=hl7.fhir.r4.examples
version=4.0.1
sha256=dce87f1b5b9341867033f7d1f544fa1b5232503f6d62813887ac6b8a8b6cb682

cd "$(dirname "$0")/.."
. scripts/fetch.sh
dir=.cache/r4-examples
if [ "$(cat "$dir/sha256" 2>/dev/null)" = "$sha256" ]; then
	exit 0
fi

mkdir -p "$dir"
tmp=$(mktemp -d "$dir/fetch.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
tgz=${R4_EXAMPLES_TGZ:-}
if [ -z "$tgz" ]; then
	command -v npm >/dev/null || {
		echo "r4-definitions: npm is not installed; install it, or set R4_EXAMPLES_TGZ to $package-$version.tgz" >&2
		exit 1
	}
	again npm pack --pack-destination "$tmp" "$package@$version" || {
		echo "r4-definitions: cannot fetch $package $version from npm; set R4_EXAMPLES_TGZ to $package-$version.tgz to do without" >&2
		exit 1
	}
	tgz=$tmp/$package-$version.tgz
fi
echo "$sha256  $tgz" | sha256sum -c --quiet - || {
	echo "r4-definitions: $tgz is not the $package $version that is expected" >&2
	exit 1
}
tar -xzf "$tgz" -C "$tmp"
rm -rf "$dir/package"
mv "$tmp/package" "$dir/package"
echo "$sha256" >"$dir/sha256"
