#!/bin/sh
# Writes the account from the environment, so that no password lies in a file of the project, and starts PgBouncer.
set -eu
umask 077
quoted() { printf '"%s"' "$(printf %s "$1" | sed 's/"/""/g')"; }
printf '%s %s\n' "$(quoted "$POSTGRES_USER")" "$(quoted "$POSTGRES_PASSWORD")" > /run/pgbouncer/userlist.txt
exec pgbouncer /etc/pgbouncer/pgbouncer.ini
