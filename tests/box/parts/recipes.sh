# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154 # the box expands; tests/box/run and debian.sh assign
# Slow: a folder with Debian's programs
# The files of userspace/box/ci: their steps are run in containers. Only root can make these here.

ci=$here/../../userspace/box/ci

# A project with a test suite, and rdmabox where a project may keep it, with its checksum
recipe_project() {
	containers_ensure
	python3 -c 'import yaml' 2>/dev/null || "$here/../../tools/vm" host-install python3-yaml
	mkdir -p project/.github
	cp -r "$ci/github/actions" project/.github/
	printf 'check:\n\tibv_devinfo -d rxe0 | grep PORT_ACTIVE\n\ttouch checked\n' >project/Makefile
	cp "$work/bin/rdmabox" project/downloaded
	chmod -R a+rwX project
	sum=$(sha256sum <project/downloaded)
	variables=(RDMABOX_URL=file:///checkout/downloaded RDMABOX_SHA256="${sum%% *}")
}

# in_runner PACKAGE,... USER COMMAND...: runs COMMAND with an argument more, a container of a runner
in_runner() {
	local root id packages user=$2 status=0

	IFS=, read -ra packages <<<"$1"
	root=$("$here/../../tools/vm" debian trixie "${packages[@]}")
	id=$(containers run --rm --detach --timeout 600 --network host \
		"${container_limits[@]}" -v "$dir/project:/checkout" --rootfs "$root:O" sleep infinity)
	podman exec "$id" sh -c 'useradd -m runner; ! cd /etc/sudoers.d || echo "runner ALL=(ALL) NOPASSWD:ALL" >all'
	"${@:3}" -- podman exec --user "$user" --workdir /checkout "$id" || status=$?
	podman kill "$id" >/dev/null
	return $status
}

# What GitHub's runners have of their own, as far as the steps use it
github_job() {
	recipe_project
	in_runner ca-certificates,curl,make,sudo runner python3 "$here/recipes.py" github \
		"$ci/github/workflows/rdma.yml" "$1" project "${variables[@]}" >out 2>&1 || { tail -n 20 out; return 1; }
}

if ((EUID == 0)); then
test_recipe_github_check() {
	github_job check
	[[ -e project/checked ]]
}

test_recipe_github_lossy_network() {
	github_job lossy-network
	grep -q 'retransmi' out
}

test_recipe_github_wrong_checksum() {
	recipe_project
	echo >>project/downloaded
	in_runner ca-certificates,curl,make,sudo runner python3 "$here/recipes.py" github \
		"$ci/github/workflows/rdma.yml" check project "${variables[@]}" >out 2>&1 && return 1
	grep -q '/tmp/rdmabox/rdmabox: FAILED' out
}

test_recipe_gitlab() {
	recipe_project
	in_runner ca-certificates,apt root python3 "$here/recipes.py" gitlab "$ci/gitlab/gitlab-ci.yml" rdma project \
		"${variables[@]}" >out 2>&1 || { tail -n 20 out; return 1; }
	[[ -e project/checked ]]
	grep -q 'retransmi' out
}

# image ARGUMENT...: podman, with images of its own. It refuses a run folder with a name of more than 50
# characters.
image() {
	containers --root "$dir/images" --runroot "$image_run" "$@"
}

run_image() {
	image run --rm --timeout 100 "${container_limits[@]}" --network none --user 1000 --cap-drop ALL \
		--read-only "$@" </dev/null
}

test_recipe_dockerfile() {
	local root

	recipe_project
	image_run=$(mktemp -d /tmp/XXXXXX)
	trap 'rm -rf "$image_run"' EXIT
	root=$("$here/../../tools/vm" debian trixie ca-certificates apt)
	# So that FROM finds it without a registry
	tar -C "$root" --one-file-system -c . | image import - docker.io/library/debian:trixie-slim >out 2>&1
	cp "$ci/docker/Dockerfile" "$work/bin/rdmabox" .
	image build --isolation chroot "${container_limits[@]}" --network host --pull=never \
		-t rdmabox . >out 2>&1 || { tail out; return 1; }
	check 'the device' "$(run_image rdmabox | grep -c 'PORT_ACTIVE')" 1
	check 'on two nodes' "$(run_image rdmabox --nodes 2 rdmabox on --all -- uname -n | sort | xargs)" \
		'node1: node1 node2: node2'
	run_image -v "$dir/project:$dir/project" -w "$dir/project" rdmabox make check
	[[ -e project/checked ]]
	image rm --all --force >/dev/null
	image rmi --all --force >/dev/null
}
fi
