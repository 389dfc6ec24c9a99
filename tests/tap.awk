# SPDX-License-Identifier: GPL-2.0
# Reads TAP, the Test Anything Protocol, as cmocka and the suites print it, and prints one line a test: pass,
# fail or skip, the test's name after the variable "prefix", and the reason, with tabs between them.
#
# Comments of ours (lib/test.c): "# test: NAME" before a test starts, so that the name of a test without a
# result is known; "# skipped: REASON" before a skipped test's result; "# clean-up failed: REASON". The reason
# of a failure is what a child process printed, or the first comment after the result.

function say(word, name, reason) { print word "\t" prefix name "\t" reason }

function finish() {
	if (failed != "")
		say("fail", failed, reason)
	else if (running != "")
		say("fail", running, reason != "" ? reason : "ended without a result")
	failed = running = reason = previous = ""
}

/^# test: / { finish(); skipped = ""; running = substr($0, 9); next }

/^(not )?ok / {
	if (failed != "")
		finish()
	name = $0
	bad = sub(/^not /, "", name)
	sub(/^ok( [0-9]+)? (- )?/, "", name)
	if (sub(/^# SKIP /, "", name)) {
		say("skip", name, skipped)
	} else if (!bad) {
		say("pass", name, "")
	} else {
		failed = name
		# cmocka adds the reason to the name of a test that it could not run.
		if (running != "" && index(name, running " ") == 1) {
			failed = running
			if (reason == "")
				reason = substr(name, length(running) + 2)
		}
		running = ""
		next
	}
	running = reason = skipped = ""
	next
}

# The end of cmocka's group
/^# (not )?ok - / { next }
/^# skipped: / { skipped = substr($0, 12); next }
/^# clean-up failed: / && reason == "" { reason = substr($0, 3); next }
/^# / {
	if (failed != "" && reason == "") {
		reason = substr($0, 3)
		sub(/^ERROR: /, "", reason)
	}
	next
}
# Printed by a child process, and by cmocka 1.1.5 before the result
/^ERROR: / && reason == "" { reason = substr($0, 8) }
/: error: / && reason == "" { reason = previous != "" ? previous : $0 }
{ previous = $0 }

END { finish() }
