# again.sh COMMAND...: runs a server that may be killed, and again whenever it
# has ended, until the file "again" is gone from the folder this runs in.
: >again
while [ -e again ]; do
	"$@"
	sleep 0.02
done
