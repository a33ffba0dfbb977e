# Stops the servers of the lease whose folder this runs in. It asks whether a
# process is still the server before it kills it: after a crash of the machine
# the number may be another's.
quit() { # SIGNAL PID WORDS-OF-ITS-COMMAND-LINE
	command=$(tr '\0' ' ' <"/proc/$2/cmdline" || ps -o command= -p "$2")
	case $command in *"$3"*) kill "-$1" "$2" ;; esac
}
if [ -s run/data/postmaster.pid ]; then
	quit QUIT "$(sed -n 1p run/data/postmaster.pid)" "postgres -D $(sed -n 2p run/data/postmaster.pid)"
fi
if [ -s run/redis.pid ]; then
	quit TERM "$(cat run/redis.pid)" "redis-server 127.0.0.1:"
fi
# They still write for a moment, and then the folder could not be removed.
tries=0
while [ -e run/data/postmaster.pid ] || [ -e run/redis.pid ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 100 ] || break
	sleep 0.05
done
