# shellcheck shell=bash
# What the exit status of stress-ng means; sourced, never run.

# stress-ng compares its count of operations with what a worker has summed up at its
# end. A grandchild that outlives the worker for a moment, because it is in a long
# system call when its parent is killed, counts once more. All complaints are of
# that kind, and no count is too small: nothing has been lost.
only_counted_late() {
	awk '
	!/ fail: / { next }
	/ corrupted bogo-ops counter, [0-9]+ vs [0-9]+/ {
		sub(/.*counter, /, "")
		late++
		if ($1 <= $3)
			bad = 1
		next
	}
	/ hash error in bogo-ops counter/ || / stressor metrics corrupted/ { next }
	{ bad = 1 }
	END { exit bad || !late }' "$1"
}

# failed_for_its_own_reasons STATUS LOG, of several stressors at once.
# 3: one of them was short of something, shm for one when its child was killed.
failed_for_its_own_reasons() {
	case $1 in
	2) only_counted_late "$2" ;;
	3) ! grep -q ' fail: ' "$2" ;;
	*) return 1 ;;
	esac
}
