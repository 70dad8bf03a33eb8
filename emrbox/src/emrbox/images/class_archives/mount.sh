#!/bin/bash
# Arguments: options of an overlay, the folder to mount it at, a program there. Runs the program in that tree, in namespaces that end with it.
set -euo pipefail
mount -t overlay overlay -o "$1" "$2"
mount -t proc proc "$2/proc"
mount --rbind /dev "$2/dev"
# Hadoop wants to know the address of its own name.
hostname localhost
ip link set lo up
exec chroot "$2" /usr/bin/python3 -I "$3"
