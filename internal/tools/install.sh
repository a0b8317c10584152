#!/bin/sh
# Installs a program that the tests or a private database need, when it is missing, with the
# system's package manager; where that is not possible, names the one command to type.
set -eu

have_postgres() {
	command -v initdb >/dev/null 2>&1 && return 0
	for d in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
		[ -x "$d/initdb" ] && return 0
	done
	return 1
}

have_chromium() {
	for p in chromium chromium-browser google-chrome; do
		command -v "$p" >/dev/null 2>&1 && return 0
	done
	[ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]
}

have_python_sdk() { /usr/bin/python3 -c 'import sentry_sdk' >/dev/null 2>&1; }

have_ruby_sdk() { ruby -e 'require "raven"' >/dev/null 2>&1; }

case "$1" in
postgres) have_postgres && exit 0; apt=postgresql dnf="postgresql-server postgresql-contrib" apk="postgresql postgresql-contrib" brew=postgresql@17 pacman=postgresql ;;
node) command -v npm >/dev/null 2>&1 && exit 0; apt="nodejs npm" dnf="nodejs npm" apk="nodejs npm" brew=node pacman="nodejs npm" ;;
chromium) have_chromium && exit 0; apt=chromium dnf=chromium apk=chromium brew=--cask\ chromium pacman=chromium ;;
python-sdk) have_python_sdk && exit 0; apt=python3-sentry-sdk dnf=python3-sentry-sdk apk=py3-sentry-sdk brew=python pacman=python-sentry_sdk ;;
ruby-sdk) have_ruby_sdk && exit 0; apt=ruby-sentry-raven dnf=rubygem-sentry-raven apk=ruby brew=ruby pacman=ruby ;;
*) echo "usage: $0 postgres|chromium|node|python-sdk|ruby-sdk" >&2; exit 2 ;;
esac

as_root=""
[ "$(id -u)" = 0 ] || as_root=sudo

if command -v apt-get >/dev/null 2>&1; then
	if [ "$1" = postgres ]; then
		# Only the programs: no cluster of the system's own is made or started.
		command_line="$as_root apt-get update && $as_root sh -c 'mkdir -p /etc/postgresql-common; [ -e /etc/postgresql-common/createcluster.conf ] || echo create_main_cluster=false > /etc/postgresql-common/createcluster.conf; DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $apt'"
	else
		command_line="$as_root apt-get update && $as_root apt-get install -y --no-install-recommends $apt"
	fi
elif command -v dnf >/dev/null 2>&1; then command_line="$as_root dnf install -y $dnf"
elif command -v apk >/dev/null 2>&1; then command_line="$as_root apk add $apk"
elif command -v pacman >/dev/null 2>&1; then command_line="$as_root pacman -S --noconfirm $pacman"
elif command -v brew >/dev/null 2>&1; then command_line="brew install $brew"
else
	echo "$1 is missing, and this system has no package manager known here: install $1 and run the command again" >&2
	exit 1
fi

echo "installing $1: $command_line" >&2
if [ -n "$as_root" ] && ! sudo -n true 2>/dev/null && [ ! -t 0 ]; then
	echo "this needs the administrator's password; type: $command_line" >&2
	exit 1
fi
eval "$command_line" >&2
