# watch.sh FOLDER SECONDS: stops the server of a lease (see lease.go) when no
# process has used it for so long. It is a shell script because it must outlive
# the test binary, which `go test` deletes, and because every system that can
# run the servers has a shell.
folder=$1
limit=$2

# A dead process can stay as a zombie where nobody collects orphans, as in many
# containers, and kill -0 takes it for alive.
alive() {
	kill -0 "$1" 2>/dev/null && ! grep -q ') Z ' "/proc/$1/stat" 2>/dev/null
}

used() {
	for user in "$1"/users/*; do
		if alive "${user##*/}"; then return 0; fi
		rm -f "$user"
	done
	return 1
}

idle=0
while [ "$idle" -lt "$limit" ]; do
	sleep 1
	[ -d "$folder" ] || exit 0 # its owner has stopped the server
	if [ -e "$folder/kept" ]; then limit=900; fi
	if used "$folder"; then idle=0; else idle=$((idle + 1)); fi
done

# Closed to newcomers from here on. One may have come in just before.
mv "$folder" "$folder.$$" || exit 0
while used "$folder.$$"; do sleep 1; done
cd "$folder.$$" && sh stop.sh
cd / && rm -rf "$folder.$$"
