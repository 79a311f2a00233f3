# For the scripts beside it, which read it with ".": tries again what a registry may
# refuse for a moment.

# again COMMAND...: up to five times, with pauses that grow. What the command says is shown
# when it failed for good.
again() {
	said=$(mktemp)
	for pause in 2 5 15 30 0; do
		if "$@" >"$said" 2>&1; then
			rm -f "$said"
			return 0
		fi
		[ "$pause" = 0 ] && break
		echo "$0: failed: $*; again in $pause s: $(tail -n 1 "$said" | cut -c1-200)" >&2
		sleep "$pause"
	done
	cat "$said" >&2
	rm -f "$said"
	return 1
}
