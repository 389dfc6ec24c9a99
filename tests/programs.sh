# SPDX-License-Identifier: GPL-2.0
# The test programs, and where each of them runs. A program's source says that in comments of one line:
#
#	/* Ways: loop */
#	/* CI: debug */
#
# Ways: loop is without a second device, wire is over a veth with a second device. Without this comment a
# program of tests/verbs runs both ways, and any other program runs without a second device. CI: the kernels
# that CI runs the program on: uml, debug (uml with checkers), debian (each of Debian's kernels), ends (the
# oldest and the newest of them). A word with :loop or :wire selects one of the two ways. Without
# this comment CI runs the program on every kernel.

readonly test_folders=(verbs tenant kernel/user)
declare -A test_folder=() test_ways=() test_ci=()
test_programs=()

# load_programs TESTS: reads the sources below the folder TESTS
load_programs() {
	local folder source name tag words first=() rest=() sources=()

	for folder in "${test_folders[@]}"; do
		for source in "$1/$folder"/*.c; do
			name=${source##*/} name=${name%.c}
			sources+=("$source")
			test_folder[$name]=$folder
			test_ways[$name]=loop
			[[ $folder != verbs ]] || test_ways[$name]+=" wire"
			test_ci[$name]=everywhere
			rest+=("$name")
		done
	done
	while IFS=: read -r source tag words; do
		name=${source##*/} name=${name%.c}
		words=${words# } words=${words% \*/}
		case $tag in
		*Ways) test_ways[$name]=$words ;;
		*CI) test_ci[$name]=$words ;;
		esac
		check_tag "$name" "$tag" "$words" || return
		# A second device stays, and so does its network namespace, which these programs may not find.
		[[ "$tag:$words" != *Ways:loop ]] || first+=("$name")
	done < <(grep -HE '^/\* (Ways|CI):' "${sources[@]}")
	for name in "${rest[@]}"; do
		[[ " ${first[*]} " == *" $name "* ]] || test_programs+=("$name")
	done
	test_programs=("${first[@]}" "${test_programs[@]}")
}

# check_tag NAME TAG WORDS
check_tag() {
	local word known='^(uml|debug|debian|ends)(:loop|:wire)?$'

	[[ $2 != *Ways ]] || known='^(loop|wire)$'
	for word in $3; do
		if [[ ! $word =~ $known ]]; then
			echo "tests/${test_folder[$1]}/$1.c: unknown word $word in the comment${2#/\*}" >&2
			return 1
		fi
	done
}

# programs_tagged WORD...: the tests, as tests/run takes them, whose CI comment has one of the words, or that
# have no such comment
programs_tagged() {
	local name way tag word ways

	for name in "${test_programs[@]}"; do
		ways=()
		for way in ${test_ways[$name]}; do
			tag=" ${test_ci[$name]} "
			for word in "$@" everywhere; do
				if [[ $tag == *" $word "* || $tag == *" $word:$way "* ]]; then
					ways+=("$way")
					break
				fi
			done
		done
		if [[ "${ways[*]}" == "${test_ways[$name]}" ]]; then
			echo "$name"
		elif ((${#ways[@]})); then
			echo "$name:${ways[0]}"
		fi
	done
}
