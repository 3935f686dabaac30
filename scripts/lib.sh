# shellcheck shell=bash
# What every script here shares; sourced, never run.
#
# A message goes to standard error, so that a script's standard output stays
# what the script is for.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# Used by the scripts that source this file.
# shellcheck disable=SC2034
build=$top/build
patches=$top/patches/6.12
# Where this repository keeps new files for the kernel tree.
overlay_roots=(mm fs include samples Documentation tools)

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
#
# A command that is a condition runs without errexit, and a function would go on
# after its first error: so its status is taken apart from the test of it.
stage() {
	local what=$1 log=$2 start=$SECONDS status
	shift 2
	mkdir -p "$(dirname "$log")"
	printf '%s ... ' "$what" >&2
	set +e
	(set -e; "$@") >"$log" 2>&1 </dev/null
	status=$?
	set -e
	if [[ $status -eq 0 ]]; then
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

# The new files of the repository, in a stable order; not what somebody has built
# beside them, as .gitignore says.
overlay_files() {
	local files
	files=$(overlay_find | sort)
	comm -23 <(printf '%s\n' "$files") \
		<(printf '%s\n' "$files" | git -C "$top" check-ignore --stdin 2>/dev/null | sort)
}

overlay_find() {
	local root
	for root in "${overlay_roots[@]}"; do
		[[ -d $top/$root ]] || continue
		(cd "$top" && find "$root" -type f ! -name '*~' ! -name '.*.swp' ! -name '*.orig' ! -name '*.rej')
	done
}

series() {
	[[ -f $patches/series ]] || return 0
	sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$patches/series"
}

# The existing files that a patch changes.
touched_by() {
	sed -n -e 's|^--- a/\([^\t]*\).*|\1|p' -e 's|^+++ b/\([^\t]*\).*|\1|p' "$1" | sort -u
}
