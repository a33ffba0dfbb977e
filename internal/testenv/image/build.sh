#!/bin/bash
# build.sh [pg17|pg15]: makes the image fature-test:pg17 (the default) or
# fature-test:pg15 from Debian packages alone, so that it works where no image
# can be pulled: PostgreSQL with pg_cron, Redis and pgBackRest, with a data
# folder that is initialised already, which saves the tests a second each.
#
# It needs root on a Debian-like system and a Docker daemon, takes one to two
# minutes, and does nothing if the image was built by this very script.
set -euo pipefail
cd "$(dirname "$0")"

case ${1:-pg17} in
pg17) suite=trixie major=17 ;;
pg15) suite=bookworm major=15 ;;
*)
	echo "usage: build.sh [pg17|pg15]" >&2
	exit 2
	;;
esac
image=fature-test:pg$major
version=$(cat build.sh entrypoint.sh | sha256sum | cut -c1-16)

began=$SECONDS
step() { printf 'image %s: [%3ds] %s\n' "$image" $((SECONDS - began)) "$*"; }
fail() {
	echo "image $image: $*" >&2
	exit 1
}

# The mirror is the one that this system's own apt uses.
mirror() {
	# shellcheck disable=SC2016 # apt-get fills it in
	apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' | head -n 1
}

update_once() {
	[ -z "${updated:-}" ] || return 0
	step "apt-get update"
	apt-get update -qq
	updated=yes
}

if [ "$(docker image inspect --format '{{index .Config.Labels "fature.version"}}' $image 2>/dev/null)" = "$version" ]; then
	step "is up to date"
	exit 0
fi
docker version >/dev/null 2>&1 || fail "no Docker daemon answers"
[ "$(id -u)" = 0 ] || fail "must be built by root, for debootstrap: sudo $PWD/build.sh pg$major"
command -v apt-get >/dev/null || fail "needs a Debian-like system, for debootstrap"

if ! command -v debootstrap >/dev/null; then
	update_once
	step "apt-get install debootstrap"
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends debootstrap >/dev/null
fi
debian=$(mirror)
if [ -z "$debian" ]; then # apt knows the origin of a mirror once it has its index
	update_once
	debian=$(mirror)
fi
[ -n "$debian" ] || fail "no Debian mirror in this system's apt configuration"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

step "debootstrap $suite with PostgreSQL $major, pg_cron, Redis and pgBackRest (about a minute)"
debootstrap --variant=minbase \
	--include=postgresql-$major,postgresql-$major-cron,redis-server,pgbackrest \
	"$suite" "$root" "$debian" >"$work/log" 2>&1 || {
	tail -n 20 "$work/log" >&2
	fail "debootstrap has failed"
}

# In the tree, because a later layer would copy all of it up: 3 s against 42 s.
step "initdb, and the database fature that pg_cron is bound to"
as_postgres() { chroot "$root" setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
bin=/usr/lib/postgresql/$major/bin
install -d -o "$(stat -c %u "$root/var/lib/postgresql")" -m 0700 "$root/data"
as_postgres $bin/initdb -D /data -U postgres -A trust -E UTF8 --locale=C --no-sync --no-instructions >"$work/log" 2>&1 ||
	fail "initdb has failed: $(tail -n 3 "$work/log")"
echo "host all all all trust" >>"$root/data/pg_hba.conf" # published on 127.0.0.1 only
echo "create database fature;" | as_postgres $bin/postgres --single -F -D /data postgres >"$work/log" 2>&1 ||
	fail "create database has failed: $(tail -n 3 "$work/log")"

step "trim"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/var/lib/postgresql/$major \
	"$root"/usr/share/{doc,man,locale,info,postgresql/$major/man}
mkdir -p "$root/var/log"
install -m 0755 entrypoint.sh "$root/entrypoint.sh"

step "docker import"
superseded=$(docker image inspect --format '{{.Id}}' $image 2>/dev/null || true)
tar -C "$root" -c . | docker import \
	--change 'ENTRYPOINT ["/entrypoint.sh"]' \
	--change "ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:$bin" \
	--change 'EXPOSE 5432 6379' \
	--change 'VOLUME /data' \
	--change "LABEL fature.version=$version" \
	- $image >/dev/null
[ -z "$superseded" ] || docker image rm "$superseded" >/dev/null 2>&1 || true # a container may still use it
step "done, $(docker image inspect --format '{{.Size}}' $image | awk '{printf "%d MB", $1/1e6}')"
