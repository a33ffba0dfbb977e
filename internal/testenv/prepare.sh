#!/bin/sh
# prepare.sh demo|test: sees to it that there is a PostgreSQL, and for the tests
# a Redis, before Go is started. It does nothing where they are; otherwise it
# builds or installs what is missing, says so and asks nothing; where it may do
# neither, it says what a person can do.
set -eu
cd "$(dirname "$0")/../.."
purpose=${1:?usage: prepare.sh demo|test}

say() { echo "prepare: $*"; }
has() { command -v "$1" >/dev/null 2>&1; }

check_go() {
	version=$(go version 2>&1) || true # in this folder, where go.mod may make it fetch a newer one
	minor=$(echo "$version" | sed -n 's/.* go1\.\([0-9]*\).*/\1/p')
	if [ "${minor:-0}" -lt 26 ]; then
		say "Go 1.26 or newer is needed on PATH; go version says: $version" >&2
		exit 1
	fi
}

wanted() { [ -z "${FATURE_BACKEND:-}" ] || [ "$FATURE_BACKEND" = "$1" ]; }

docker_answers() { wanted docker && has docker && docker version >/dev/null 2>&1; }

have_image() {
	docker_answers || return 1
	for image in ${FATURE_TEST_IMAGE:-fature-test:pg17 fature-test:pg15}; do
		if docker image inspect "$image" >/dev/null 2>&1; then return 0; fi
	done
	return 1
}

# The places that local.go looks in.
have_postgres() {
	for initdb in "$(command -v initdb || true)" /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb \
		/usr/libexec/postgresql*/initdb /opt/homebrew/opt/postgresql*/bin/initdb /usr/local/opt/postgresql*/bin/initdb \
		/home/linuxbrew/.linuxbrew/opt/postgresql*/bin/initdb /Applications/Postgres.app/Contents/Versions/*/bin/initdb; do
		[ -x "$initdb" ] || continue
		major=$("$initdb" --version | sed 's/.*(PostgreSQL) \([0-9]*\).*/\1/')
		if [ "$major" -ge 15 ]; then return 0; fi
	done
	return 1
}

# The demo does without Redis; the tests do not.
have_local() { wanted local && have_postgres && { [ "$purpose" = demo ] || has redis-server; }; }

# as_root runs a command if this user may.
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
may_be_root() { [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; }; }

build_image() {
	docker_answers && may_be_root && has apt-get || return 1
	image=${FATURE_TEST_IMAGE:-fature-test:pg17}
	case $image in fature-test:*) ;; *) return 1 ;; esac
	say "building the image $image, once on this machine"
	as_root internal/testenv/image/build.sh "${image#fature-test:}"
}

pull_images() {
	docker_answers && [ -z "${FATURE_NO_PULL:-}${FATURE_TEST_IMAGE:-}" ] || return 1
	say "pulling the official images of PostgreSQL and Redis"
	docker pull --quiet postgres:17-alpine && docker pull --quiet redis:8-alpine
}

install_local() {
	wanted local || return 1
	if has brew; then
		say "brew install postgresql@17 redis"
		brew install postgresql@17 redis
		return
	fi
	may_be_root || return 1
	if has apt-get; then
		say "apt-get install postgresql redis-server"
		as_root apt-get update -qq
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql redis-server >/dev/null
	elif has dnf; then
		say "dnf install postgresql-server redis"
		as_root dnf install -q -y postgresql-server redis || as_root dnf install -q -y postgresql-server valkey-compat-redis
	elif has apk; then
		say "apk add postgresql redis"
		as_root apk add -q postgresql redis
	else
		return 1
	fi
	have_local # the system's PostgreSQL may be too old
}

check_go
if [ "${FATURE_BACKEND:-}" = url ] || [ -n "${FATURE_DATABASE_URL:-}" ]; then exit 0; fi
case $purpose in
demo) # the quickest first
	have_local || have_image || install_local || build_image || pull_images && exit 0
	;;
test) # the most complete first
	have_image || build_image || have_local || pull_images || install_local && exit 0
	;;
esac
cat >&2 <<'TEXT'
prepare: there is no PostgreSQL to work with, and this user may not install one. Do ONE of these:
  - set FATURE_DATABASE_URL (and FATURE_REDIS_URL) to servers you have
  - start Docker, and run "make image" where the official images cannot be pulled
  - install the servers: apt install postgresql redis-server | dnf install postgresql-server redis | brew install postgresql redis
TEXT
exit 1
