# shellcheck shell=bash
# TAP for tests written in bash; sourced, never run.
#
#   ok NAME COMMAND...   one test: COMMAND succeeds
#   skip NAME REASON
#   finish               the plan; fails when a test failed

# Used by the tests that source this file.
# shellcheck disable=SC2034
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
tap_number=0
tap_failed=0

echo 'TAP version 13'

ok() {
	local name=$1 said
	shift
	tap_number=$((tap_number + 1))
	if said=$("$@" 2>&1); then
		echo "ok $tap_number $name"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_number $name"
		[[ -z $said ]] || printf '%s\n' "$said" | sed 's/^/# /'
	fi
}

skip() {
	tap_number=$((tap_number + 1))
	echo "ok $tap_number $1 # SKIP $2"
}

finish() {
	echo "1..$tap_number"
	[[ $tap_failed -eq 0 ]]
}

# same WHAT EXPECTED GOT: succeed when they are equal, else say what differs.
same() {
	[[ $2 == "$3" ]] || {
		echo "$1: expected '$2', got '$3'"
		return 1
	}
}
