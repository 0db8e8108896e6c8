#!/bin/sh
# Applies the SQL files that the database has not seen, in the order of their names.
set -eu
psql() { command psql -h "${DB_HOST:-db}" -U shop -d shop -v ON_ERROR_STOP=1 -qAt "$@"; }

# Quiet about tables that are there already, not about a database that is not.
export PGOPTIONS='-c client_min_messages=warning'
psql -c 'CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)'
for file in *.sql; do
  if [ -n "$(psql -c "SELECT 1 FROM migrations WHERE name = '$file'")" ]; then
    echo "$file was applied before"
    continue
  fi
  psql -1 -f "$file" -c "INSERT INTO migrations VALUES ('$file')"
  echo "$file applied"
done
