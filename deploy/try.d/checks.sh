# What is checked of a mesh that the documented commands started.
# shellcheck shell=bash

# Where the engine sees the tree: what git knows or would add, so that no secret of this checkout is touched.
CHECKOUT=/sagamesh
BUILT=(customers orders coordinator gateway)
REST_PORTS=(3000 3001 3002 3003)
RECOVERY_SECONDS_MAX=60
demo=true  # SAGAMESH_DEMO

run_checks() {
  copy_tree
  in_engine "$CHECKOUT/deploy/make-secrets"
  compose down --volumes --remove-orphans  # what a run that failed has left
  say "docker compose -f deploy/compose.yml up --build"
  compose up --build --detach --wait
  compose ps --format 'table {{.Service}}\t{{.Status}}\t{{.Image}}'
  expect_documented_cases
  expect_confinement
  expect_loopback_only
  expect_recovery_from_a_crash_of_the_database
  expect_a_new_password_to_do
  expect_a_stop_and_a_start_to_lose_nothing
  expect_a_backup_to_bring_all_back
  compose down --volumes --remove-orphans
  expect_no_demo_where_none_is_wanted
  compose down --volumes --remove-orphans
}

copy_tree() {
  mkdir -p "$ENGINE$CHECKOUT"
  find "$ENGINE$CHECKOUT" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
  (cd "$ROOT" && git -c safe.directory='*' ls-files -z -co --exclude-standard |
    while IFS= read -r -d '' file; do if [[ -e $file ]]; then printf '%s\0' "$file"; fi; done |
    tar --null --files-from=- -c) | tar -C "$ENGINE$CHECKOUT" -x
}

compose() {
  in_engine BUILDKIT_PROGRESS=plain SAGAMESH_DEMO="$demo" \
    sh -c 'cd "$0" && exec docker compose -f deploy/compose.yml "$@"' "$CHECKOUT" "$@"
}

within() { compose exec -T "$@"; } # SERVICE COMMAND...

container_of() { compose ps --all --quiet "$1"; }

inspect() { in_engine docker inspect --format "$2" "$(container_of "$1")"; } # SERVICE FORMAT

expect_documented_cases() {
  say "scripts/demo"
  in_network "$ROOT/scripts/demo"
  [[ $(in_network "$TOOLS/bin/grpcurl" -plaintext 127.0.0.1:50051 list) == coordinator.v1.CoordinatorService* ]] ||
    die "the coordinator's gRPC port does not reflect"
}

expect_confinement() {
  local service
  for service in "${BUILT[@]}" mysql; do
    if [[ $(within "$service" id -u) == 0 ]]; then die "$service runs as root"; fi
    if within "$service" sh -c ': >/usr/local/bin/x' 2>/dev/null; then die "$service can change its programs"; fi
    [[ $(within "$service" sed -n 's/^CapEff:\t//p' /proc/1/status) =~ ^0+$ ]] || die "$service has capabilities"
  done
  if within orders cat /run/secrets/customers 2>/dev/null; then die "orders can read the password of customers"; fi
  say "no container is root, can change its programs, or has a capability"
}

expect_loopback_only() {
  local address
  for address in $(in_network awk '$4 == "0A" {print $2}' /proc/self/net/tcp /proc/self/net/tcp6); do
    [[ $address == 0100007F:* ]] || die "something listens on $address (hexadecimal), which is not loopback"
  done
  say "nothing is published but on loopback"
}

# health: the codes of /health, "200 200 200 200" if all is well.
health() {
  local port
  for port in "${REST_PORTS[@]}"; do
    in_network curl -s -o /dev/null -m 3 -w '%{http_code} ' "http://127.0.0.1:$port/health" || true
  done
}

expect_health() { # CODE
  local deadline=$((SECONDS + RECOVERY_SECONDS_MAX))
  until [[ $(health) == "$1 $1 $1 $1 " ]]; do
    ((SECONDS < deadline)) || die "/health is $(health)after $RECOVERY_SECONDS_MAX s, should be $1"
    sleep 0.5
  done
}

starts_of_services() {
  local service
  for service in "${BUILT[@]}"; do inspect "$service" '{{.State.StartedAt}} {{.RestartCount}}'; done
}

expect_recovery_from_a_crash_of_the_database() {
  local before
  before=$(starts_of_services)
  say "stopping the database"
  compose stop mysql
  expect_health 503
  compose start mysql
  expect_health 200
  say "kill -9 of mysqld"
  # Of the container's init the only child.
  in_engine sh -c 'kill -KILL $(cat "/proc/$0/task/$0/children")' "$(inspect mysql '{{.State.Pid}}')"
  sleep 5
  [[ $(inspect mysql '{{.RestartCount}}') == 1 ]] || die "Docker did not start mysql again"
  expect_health 200
  [[ $(starts_of_services) == "$before" ]] || die "a service did not outlive its database"
  expect_documented_cases
}

expect_a_new_password_to_do() {
  local secret=$ENGINE$CHECKOUT/deploy/secrets/orders old
  say "a new password for orders"
  old=$(<"$secret")
  in_engine "$CHECKOUT/deploy/make-secrets" --renew=orders
  [[ $(<"$secret") != "$old" ]] || die "it is the old one"
  within mysql bash /docker-entrypoint-initdb.d/databases.sh
  compose restart orders
  expect_health 200
}

stock() { in_network curl -sf http://127.0.0.1:3001/products/prod-123; }

expect_a_stop_and_a_start_to_lose_nothing() {
  local service before
  before=$(stock)
  compose stop
  for service in "${BUILT[@]}"; do
    [[ $(inspect "$service" '{{.State.ExitCode}}') == 0 ]] || die "$service ended badly"
  done
  compose down
  compose up --detach --wait
  [[ $(stock) == "$before" ]] || die "the stock of prod-123 is $(stock), was $before"
  say "every service ended with 0; the stock is what it was"
}

# As docs/operations.md says it.
expect_a_backup_to_bring_all_back() {
  local as_root before databases='customers orders coordinator'
  as_root='--defaults-extra-file=<(printf "[client]\nuser=root\npassword=%s\n" "$(cat /run/secrets/mysql_root)")'
  before=$(stock)
  within mysql bash -c "mysqldump $as_root --single-transaction --set-gtid-purged=OFF --databases $databases" \
    >"$WORK/backup.sql"
  in_network curl -sfS -o /dev/null http://127.0.0.1:3001/products/prod-123/restock -H 'Content-Type: application/json' \
    -d '{"quantity":1}' || die "prod-123 cannot be restocked"
  [[ $(stock) != "$before" ]] || die "restocking did nothing"
  compose stop gateway coordinator orders customers
  within mysql bash -c "mysql $as_root" <"$WORK/backup.sql"
  compose start customers orders coordinator gateway
  expect_health 200
  [[ $(stock) == "$before" ]] || die "the stock after the restore is $(stock), was $before"
  say "a backup brings all back"
}

expect_code() { # CODE CURL_ARGUMENT...
  local code
  code=$(in_network curl -s -o /dev/null -w '%{http_code}' "${@:2}" || true)
  [[ $code == "$1" ]] || die "HTTP $code, should be $1: curl ${*:2}"
}

expect_no_demo_where_none_is_wanted() {
  local demo=false
  compose up --detach --wait
  expect_code 404 http://127.0.0.1:3001/products/prod-123
  expect_code 400 http://127.0.0.1:3002/orders -H 'x-envoy-fault-delay-request: 1' \
    -H 'x-sagamesh-fault-method: orders.v1.OrdersService/ListOrders'
  expect_code 200 http://127.0.0.1:3002/orders
  say "SAGAMESH_DEMO=false: no demo data, no faults"
}
