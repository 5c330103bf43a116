#!/usr/bin/env bash
# Gives each service a database of its own, and a user with all rights on it and no others. Runs in the container of
# MySQL: by its entrypoint when the data is new, and by hand when a password has changed. May be run again and again.
set -euo pipefail
shopt -s inherit_errexit  # a password that is missing must not become an empty one

# secret NAME: its first line, as the services read it.
secret() {
  local file=${SAGAMESH_SECRETS:-/run/secrets}/$1 text=
  if [[ -r $file ]]; then IFS= read -r text <"$file" || true; fi
  [[ -n $text ]] || { echo "there is no password in $file" >&2 && return 1; }
  printf '%s' "$text"
}

# quoted TEXT: as SQL, and as MySQL's option files, take it.
quoted() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}

statements() {
  local service password
  for service in customers orders coordinator; do
    password=$(secret "$service")
    password=$(quoted "$password")
    cat <<SQL
CREATE DATABASE IF NOT EXISTS $service;
CREATE USER IF NOT EXISTS '$service'@'%' IDENTIFIED BY $password;
ALTER USER '$service'@'%' IDENTIFIED BY $password;
GRANT ALL ON $service.* TO '$service'@'%';
SQL
  done
}

root_password=$(secret mysql_root)
root_password=$(quoted "$root_password")
sql=$(statements)
# Passwords go neither into arguments nor into the environment.
mysql --defaults-extra-file=<(printf '[client]\nuser=root\npassword=%s\n' "$root_password") --protocol=socket <<<"$sql"
echo "databases and users of customers, orders and coordinator: done"
