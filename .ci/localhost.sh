#!/bin/sh
# Runs a command where `localhost` is ::1, too: `unshare --mount sh localhost.sh HOSTS COMMAND...`
#
# Some machines name 127.0.0.1 only, and there a hundred of AnyIO's tests fail whatever is tested.
# HOSTS is a file to write: it takes the place of /etc/hosts for this command and its children alone.
set -e
hosts=$1
shift
{ cat /etc/hosts; echo "::1 localhost"; } >"$hosts"
mount --bind "$hosts" /etc/hosts
exec "$@"
