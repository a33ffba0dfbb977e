#!/bin/sh
# Runs Redis in the background and PostgreSQL in front. Arguments go to
# postgres. pg_cron's jobs run as background workers, as a job that logs in
# would need a password file.
set -e
redis-server --daemonize yes --bind 0.0.0.0 --protected-mode no --save '' --dir /tmp >/dev/null
exec setpriv --reuid=postgres --regid=postgres --init-groups \
	postgres -D /data \
	-c listen_addresses='*' -c dynamic_shared_memory_type=posix \
	-c shared_preload_libraries=pg_cron,pg_stat_statements \
	-c cron.database_name=fature -c cron.use_background_workers=on \
	-c max_worker_processes=20 "$@"
