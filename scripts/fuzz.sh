#!/bin/sh
# Runs every fuzz target of both modules for the given time each. Minimising is
# kept short: it would take most of the time otherwise.
set -eu
time=${1:-30s}
root=$(cd "$(dirname "$0")/.." && pwd)

fuzz() { # MODULE EXCLUDED
	cd "$root/$1"
	git grep -l '^func Fuzz' -- '*_test.go' "$2" | while read -r file; do
		pkg=./$(dirname "$file")
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file" | while read -r target; do
			echo "== $1 $pkg $target"
			go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$pkg"
		done
	done
}

fuzz . ':!conformance/oracle'
fuzz conformance/oracle ':!none'
