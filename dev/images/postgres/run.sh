#!/bin/sh
# Makes the database cluster at the first start, then becomes the server.
set -eu
umask 077
export PGHOST=/tmp PGUSER=postgres PGDATABASE=postgres

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${CNADMIN_PASSWORD:?is needed at the first start}"
  # Made beside its place and moved there when it is complete: a start that is killed begins afresh.
  unfinished="$PGDATA.unfinished"
  rm -rf "$unfinished"
  initdb --pgdata="$unfinished" --username=postgres --auth-host=scram-sha-256 --auth-local=trust \
    --encoding=UTF8 --locale=C.UTF-8 --data-checksums
  echo "host all all all scram-sha-256" >> "$unfinished/pg_hba.conf"
  pg_ctl start --wait --silent --pgdata="$unfinished" \
    --options="-c listen_addresses='' -c unix_socket_directories=/tmp"
  # psql reads the passwords from the environment itself, so that they are in no argument list.
  psql --quiet --set=ON_ERROR_STOP=1 <<'SQL'
\set superuser_password ''
\getenv superuser_password POSTGRES_PASSWORD
\getenv password CNADMIN_PASSWORD
SELECT :'superuser_password' <> '' AS superuser_has_password \gset
\if :superuser_has_password
ALTER ROLE postgres PASSWORD :'superuser_password';
\endif
CREATE ROLE cnadmin LOGIN CREATEDB PASSWORD :'password';
CREATE DATABASE cantonnet OWNER cnadmin;
SQL
  pg_ctl stop --wait --silent --mode=fast --pgdata="$unfinished"
  mv "$unfinished" "$PGDATA"
fi

unset CNADMIN_PASSWORD POSTGRES_PASSWORD
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
