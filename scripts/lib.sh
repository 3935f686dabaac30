# shellcheck shell=bash
# What every script here shares; sourced, never run.
#
# A message goes to standard error, so that a script's standard output stays
# what the script is for.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# Used by the scripts that source this file.
# shellcheck disable=SC2034
build=$top/build

# die MESSAGE: one line that says what is wrong and what to do about it.
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit "${die_status:-1}"
}

say() {
	printf '%s\n' "$*" >&2
}

# stage DESCRIPTION LOGFILE COMMAND...: run COMMAND with its output in LOGFILE,
# and say how long it took; on failure show the end of the log and where it is.
stage() {
	local what=$1 log=$2 start=$SECONDS
	shift 2
	mkdir -p "$(dirname "$log")"
	printf '%s ... ' "$what" >&2
	if "$@" >"$log" 2>&1 </dev/null; then
		printf '%d s\n' $((SECONDS - start)) >&2
		return 0
	fi
	printf 'FAILED after %d s\n' $((SECONDS - start)) >&2
	tail -n 30 "$log" | sed 's/^/  | /' >&2
	die "$what failed; the whole log is $log"
}

# need PROGRAM...: every script says by itself what it lacks.
need() {
	local program
	for program; do
		command -v "$program" >/dev/null ||
			die "$program is not installed; run scripts/deps"
	done
}

# locked NAME: wait until no other run of ours works on NAME under build/. The
# lock is the open file, so it ends with the process, however that ends.
locked() {
	mkdir -p "$build"
	exec 9>"$build/.lock-$1"
	if ! flock -n 9; then
		say "waiting for another run that works on $1"
		flock 9
	fi
}
