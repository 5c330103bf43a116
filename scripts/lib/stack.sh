# The processes of one machine: start, look, stop. Pid files are in var/run, logs in var/log.
# shellcheck shell=bash

VAR_DIR=$ROOT/var
RUN_DIR=$VAR_DIR/run
LOG_DIR=$VAR_DIR/log
# Of these there may be several processes, NAME, NAME-2, NAME-3...; mariadb, with --db=mysql only, and the gateway are one.
REPLICATED=(customers orders coordinator)
REPLICAS_MAX=4
declare -A GRPC_PORT=([customers]=50053 [orders]=50052 [coordinator]=50051)
declare -A METRICS_PORT=([customers]=9053 [orders]=9052 [coordinator]=9051)
# What the stack was started with: "--db=mysql --replicas=2".
CHOICE_FILE=$RUN_DIR/choice
HEALTHY_SECONDS_MAX=60
# More than the services' own --grace.
STOP_SECONDS_MAX=20
# Longer than the clients of a replica that was away take to connect to it again: they try every second.
RECONNECT_SECONDS=2
source "$ROOT/scripts/lib/mariadb.sh"

# services_of DB REPLICAS: prints the names of the stack's processes in the order of starting.
services_of() {
  local kind number
  if [[ $1 == mysql ]]; then echo mariadb; fi
  for kind in "${REPLICATED[@]}"; do
    echo "$kind"
    for ((number = 2; number <= $2; number++)); do echo "$kind-$number"; done
  done
  echo gateway
}

kind_of() { printf '%s' "${1%-*}"; } # SERVICE

# port_of SERVICE FIRST: prints its port, where the first replica has FIRST: each is 100 further than the one before.
port_of() {
  local number=${1#"$(kind_of "$1")"}
  number=${number#-}
  printf '%s' $(($2 + 100 * (${number:-1} - 1)))
}

grpc_port_of() { port_of "$1" "${GRPC_PORT[$(kind_of "$1")]}"; } # SERVICE

metrics_port_of() { port_of "$1" "${METRICS_PORT[$(kind_of "$1")]}"; } # SERVICE

# addresses_of KIND REPLICAS: prints where all of them are, with commas between.
addresses_of() {
  local number addresses=()
  for ((number = 1; number <= $2; number++)); do addresses+=("127.0.0.1:$(grpc_port_of "$1-$number")"); done
  (IFS=, && printf '%s' "${addresses[*]}")
}

# ports_of SERVICE: prints "PORT WHAT" lines.
ports_of() {
  case $1 in
    mariadb) printf '%s\n' "$MARIADB_PORT SQL" ;;
    gateway)
      printf '%s\n' '3000 REST of the coordinator' '3001 REST of customers' '3002 REST of orders' '3003 REST of customers'
      ;;
    *) printf '%s\n' "$(grpc_port_of "$1") gRPC" "$(metrics_port_of "$1") metrics" ;;
  esac
}

program_of() { # SERVICE
  if [[ $1 == mariadb ]]; then program_of_mariadb; else printf '%s' "$BIN_DIR/$(kind_of "$1")"; fi
}

# arguments_of SERVICE DB REPLICAS: fills the array `arguments`.
arguments_of() {
  local kind
  kind=$(kind_of "$1")
  case $kind in
    mariadb)
      mariadb_arguments
      return
      ;;
    gateway)
      arguments=("--coordinator=$(addresses_of coordinator "$3")" "--orders=$(addresses_of orders "$3")"
        "--customers=$(addresses_of customers "$3")" --coordinator-listen=127.0.0.1:3000
        --orders-listen=127.0.0.1:3002 --customers-listen=127.0.0.1:3001,127.0.0.1:3003 --enable-fault-injection)
      return
      ;;
    customers) arguments=(--seed-demo) ;;
    orders) arguments=("--customers=$(addresses_of customers "$3")") ;;
    coordinator) arguments=("--participants=orders.v1.OrdersService=$(addresses_of orders "$3")" --replica=auto) ;;
  esac
  arguments+=("--listen=127.0.0.1:$(grpc_port_of "$1")" "--metrics=127.0.0.1:$(metrics_port_of "$1")"
    --enable-fault-injection)
  case $2 in
    sqlite) arguments+=("--db=sqlite:$VAR_DIR/$kind.db") ;;
    mysql) arguments+=("--db=mysql://$kind@127.0.0.1:$MARIADB_PORT/$kind") ;;
  esac
}

# pid_of SERVICE: prints the pid if the pid file's process lives and is still our program, not another that got the
# number; fails otherwise. A program that was built anew since shows as deleted.
pid_of() {
  local pid exe kind
  pid=$(cat "$RUN_DIR/$1.pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
  exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || return 1
  kind=$(kind_of "$1")
  case $kind in
    mariadb) [[ $(argument_of "$pid" datadir) == "$MARIADB_DIR/data" ]] ;;
    gateway) [[ ${exe% (deleted)} == "$ROOT/build/"*"/bin/gateway" ]] ;;
    # By its port, too: another replica may have got the number.
    *)
      [[ ${exe% (deleted)} == "$ROOT/build/"*"/bin/$kind" ]] &&
        [[ $(argument_of "$pid" listen) == "127.0.0.1:$(grpc_port_of "$1")" ]]
      ;;
  esac && printf '%s' "$pid"
}

# argument_of PID NAME: prints what follows --NAME= in its command line.
argument_of() { tr '\0' '\n' <"/proc/$1/cmdline" 2>/dev/null | sed -n "s/^--$2=//p"; }

is_of_an_older_build() { [[ $(readlink "/proc/$1/exe" 2>/dev/null) == *' (deleted)' ]]; }

# listener_of PORT: who listens on it, as far as may be seen: "pid 12 (name)" or "another process"; fails if nobody.
listener_of() {
  local inode link pid
  inode=$(awk -v port="$(printf ':%04X' "$1")" '
    $4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  [[ -n $inode ]] || return 1
  for link in /proc/[0-9]*/fd/*; do
    if [[ $(readlink "$link" 2>/dev/null) == "socket:[$inode]" ]]; then
      pid=${link#/proc/} pid=${pid%%/*}
      printf 'pid %s (%s)' "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null)"
      return
    fi
  done
  printf 'another process'
}

# require_free_ports SERVICE...: ends the command, naming every port that somebody has.
require_free_ports() {
  local service port what holder taken=0
  for service in "$@"; do
    while read -r port what; do
      # One that was killed a moment ago still has it.
      if listener_of "$port" >/dev/null && sleep 1 && holder=$(listener_of "$port"); then
        printf '%serror:%s port %s, for the %s of %s, is in use by %s\n' \
          "$RED" "$PLAIN" "$port" "$what" "$service" "$holder" >&2
        taken=1
      fi
    done < <(ports_of "$service")
  done
  ((taken == 0)) || die "nothing was started; end what holds the ports, then try again"
}

# start_service SERVICE DB REPLICAS: in the background, in a session of its own, so that a Ctrl-C reaches only the script. The
# descriptors of the script's locks stay with the script.
start_service() {
  local arguments=() program
  if [[ $1 == mariadb ]]; then prepare_mariadb; fi
  program=$(program_of "$1")
  arguments_of "$1" "$2" "$3"
  printf '%s starting: %s %s\n' "$(date -u +%FT%TZ)" "$1" "${arguments[*]}" >>"$LOG_DIR/$1.log"
  (
    cd "$ROOT"
    if [[ $2 == mysql ]]; then
      unset SAGAMESH_DB_PASSWORD
      SAGAMESH_DB_PASSWORD_FILE=$(password_file_of "$(kind_of "$1")")
      export SAGAMESH_DB_PASSWORD_FILE
    fi
    exec setsid "$program" "${arguments[@]}" </dev/null >>"$LOG_DIR/$1.log" 2>&1 8>&- 9>&-
  ) &
  local pid=$! tries=0
  disown "$pid"  # or bash would report its end in its own words
  echo "$pid" >"$RUN_DIR/$1.pid"
  # Until it is our program, pid_of does not know it.
  while ! pid_of "$1" >/dev/null && kill -0 "$pid" 2>/dev/null && ((++tries < 200)); do sleep 0.01; done
  # Services that have not missed it yet would count as healthy.
  if [[ $1 == mariadb ]]; then await_mariadb "$pid"; fi
  say "$1: started (pid $pid)"
}

# stop_services SERVICE...: SIGTERM in this order, one after the other; SIGKILL, which loses nothing that was answered,
# if one does not end in time.
stop_services() {
  local service pid deadline
  for service in "$@"; do
    if pid=$(pid_of "$service"); then
      kill -TERM "$pid" 2>/dev/null || true
      deadline=$((SECONDS + STOP_SECONDS_MAX))
      while pid_of "$service" >/dev/null && ((SECONDS < deadline)); do sleep 0.1; done
      if pid_of "$service" >/dev/null; then
        warn "$service (pid $pid) did not end within $STOP_SECONDS_MAX s: killing it"
        kill -KILL "$pid" 2>/dev/null || true
      else
        say "$service: stopped (pid $pid)"
      fi
    fi
    rm -f "$RUN_DIR/$service.pid"
  done
}

reversed() {
  local i
  for ((i = $#; i > 0; i--)); do printf '%s\n' "${!i}"; done
}

is_healthy() { # SERVICE
  local port
  case $1 in
    mariadb) ;;
    gateway)
      for port in 3000 3001 3002 3003; do
        [[ $(curl -s -o /dev/null -m 3 -w '%{http_code}' "http://127.0.0.1:$port/health" 2>/dev/null) == 200 ]] || return
      done
      ;;
    *)
      "$TOOLS/bin/grpcurl" -plaintext -max-time 3 "127.0.0.1:$(grpc_port_of "$1")" grpc.health.v1.Health/Check 2>&1 |
        grep -q '"SERVING"'
      ;;
  esac
}

# unhealthy_service: prints the first of SERVICES that does not answer well; fails if there is none.
unhealthy_service() {
  local service
  for service in "${SERVICES[@]}"; do
    is_healthy "$service" || { echo "$service" && return; }
  done
  return 1
}

# dead_service: prints the first of SERVICES that does not run; fails if there is none.
dead_service() {
  local service
  for service in "${SERVICES[@]}"; do
    pid_of "$service" >/dev/null || { echo "$service" && return; }
  done
  return 1
}

show_log_end() {
  printf '%s\n' "--- the end of var/log/$1.log" >&2
  tail -n 15 "$LOG_DIR/$1.log" >&2
  printf '%s\n' '---' >&2
}

# wait_healthy: fails, having said why, if a process dies or one is not healthy in time.
wait_healthy() {
  local service deadline=$((SECONDS + HEALTHY_SECONDS_MAX))
  say "waiting until all are healthy"
  while service=$(unhealthy_service); do
    if service=$(dead_service); then
      show_log_end "$service"
      warn "$service ended while it was starting"
      return 1
    fi
    if ((SECONDS >= deadline)); then
      service=$(unhealthy_service) || return 0
      show_log_end "$service"
      warn "$service is not healthy after $HEALTHY_SECONDS_MAX s"
      return 1
    fi
    sleep 0.2
  done
  ! service=$(dead_service) || { show_log_end "$service" && return 1; }
}
