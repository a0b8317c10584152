#!/bin/sh
# Runs bin/tocsin as on a machine with one core and 1 GiB of memory: all four services, NATS and
# Postgres together in one control group. Needs root.
set -eu
name=tocsin-small-$$
groups=/sys/fs/cgroup
if [ -f $groups/cgroup.controllers ]; then
	rmdir $groups/tocsin-small-* 2>/dev/null || true # of runs that have ended
	mkdir $groups/$name
	echo 1073741824 >$groups/$name/memory.max
	echo '100000 100000' >$groups/$name/cpu.max
	echo $$ >$groups/$name/cgroup.procs
else
	rmdir $groups/memory/tocsin-small-* $groups/cpu/tocsin-small-* 2>/dev/null || true
	mkdir $groups/memory/$name $groups/cpu/$name
	echo 1073741824 >$groups/memory/$name/memory.limit_in_bytes
	echo 100000 >$groups/cpu/$name/cpu.cfs_period_us
	echo 100000 >$groups/cpu/$name/cpu.cfs_quota_us
	echo $$ >$groups/memory/$name/cgroup.procs
	echo $$ >$groups/cpu/$name/cgroup.procs
fi
exec "$(dirname "$0")/../../bin/tocsin" "$@"
