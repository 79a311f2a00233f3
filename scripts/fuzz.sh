#!/bin/sh
# Runs every fuzz target of the module for the given time each.
set -eu
time=${1:-30s}
cd "$(dirname "$0")/.."
git grep -l --untracked '^func Fuzz' -- '*_test.go' ':!conformance/oracle' | while read -r file; do
	pkg=./$(dirname "$file")
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file" | while read -r target; do
		echo "== $pkg $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$pkg"
	done
done
