#!/bin/sh
# Runs a command in a Debian that lies in a folder: `unshare --mount sh inside.sh ROOT SHARED COMMAND...`
#
# What it mounts is seen by this command and its children alone, and is gone with the last of them,
# however they end: nothing has to be unmounted, and nothing of this machine is in ROOT when
# somebody removes that. The working directory has to lie in SHARED, which is the same folder inside.
set -e
root=$1 shared=$2
shift 2

for folder in /proc /dev /sys; do
    mount --rbind "$folder" "$root$folder"
done
# How this machine reaches its network and its package index.
mount --bind /etc/ssl/certs "$root/etc/ssl/certs"
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
    if [ -e "$file" ]; then
        [ -e "$root$file" ] || touch "$root$file"
        mount --bind "$file" "$root$file"
    fi
done
# So that temporary files go with SHARED, too.
mkdir -p "$shared/tmp"
mount --bind "$shared/tmp" "$root/tmp"
mkdir -p "$root$shared"
mount --bind "$shared" "$root$shared"

exec chroot "$root" env -C "$PWD" HOME=/root "$@"
