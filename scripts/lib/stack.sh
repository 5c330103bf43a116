# The processes of one machine: start, look, stop. Pid files are in var/run, logs in var/log.
# shellcheck shell=bash

VAR_DIR=$ROOT/var
RUN_DIR=$VAR_DIR/run
LOG_DIR=$VAR_DIR/log
# In the order of starting; they are stopped in the other. mariadb is part of it with --db=mysql only.
SERVICES=(mariadb customers orders coordinator gateway)
HEALTHY_SECONDS_MAX=60
# More than the services' own --grace.
STOP_SECONDS_MAX=20
source "$ROOT/scripts/lib/mariadb.sh"

# ports_of SERVICE: prints "PORT WHAT" lines.
ports_of() {
  case $1 in
    mariadb) printf '%s\n' "$MARIADB_PORT SQL" ;;
    customers) printf '%s\n' '50053 gRPC' '9053 metrics' ;;
    orders) printf '%s\n' '50052 gRPC' '9052 metrics' ;;
    coordinator) printf '%s\n' '50051 gRPC' '9051 metrics' ;;
    gateway)
      printf '%s\n' '3000 REST of the coordinator' '3001 REST of customers' '3002 REST of orders' '3003 REST of customers'
      ;;
  esac
}

program_of() { # SERVICE
  if [[ $1 == mariadb ]]; then program_of_mariadb; else printf '%s' "$BIN_DIR/$1"; fi
}

# arguments_of SERVICE DB: fills the array `arguments`.
arguments_of() {
  case $1 in
    mariadb)
      mariadb_arguments
      return
      ;;
    customers) arguments=(--listen=127.0.0.1:50053 --metrics=127.0.0.1:9053 --seed-demo) ;;
    orders) arguments=(--listen=127.0.0.1:50052 --metrics=127.0.0.1:9052 --customers=127.0.0.1:50053) ;;
    coordinator)
      arguments=(--listen=127.0.0.1:50051 --metrics=127.0.0.1:9051
        --participants=orders.v1.OrdersService=127.0.0.1:50052)
      ;;
    gateway)
      arguments=(--coordinator=127.0.0.1:50051 --orders=127.0.0.1:50052 --customers=127.0.0.1:50053
        --coordinator-listen=127.0.0.1:3000 --orders-listen=127.0.0.1:3002
        --customers-listen=127.0.0.1:3001,127.0.0.1:3003)
      ;;
  esac
  case $1/$2 in
    gateway/*) ;;
    */sqlite) arguments+=("--db=sqlite:$VAR_DIR/$1.db") ;;
    */mysql) arguments+=("--db=mysql://$1@127.0.0.1:$MARIADB_PORT/$1") ;;
  esac
  arguments+=(--enable-fault-injection)
}

# pid_of SERVICE: prints the pid if the pid file's process lives and is still our program, not another that got the
# number; fails otherwise. A program that was built anew since shows as deleted.
pid_of() {
  local pid exe
  pid=$(cat "$RUN_DIR/$1.pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
  exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || return 1
  case $1 in
    mariadb) [[ $(argument_of "$pid" datadir) == "$MARIADB_DIR/data" ]] ;;
    *) [[ ${exe% (deleted)} == "$ROOT/build/"*"/bin/$1" ]] ;;
  esac && printf '%s' "$pid"
}

# argument_of PID NAME: prints what follows --NAME= in its command line.
argument_of() { tr '\0' '\n' <"/proc/$1/cmdline" 2>/dev/null | sed -n "s/^--$2=//p"; }

# db_of PID: prints the kind of database that a service runs on; nothing for other processes.
db_of() { argument_of "$1" db | cut -d: -f1; }

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

# start_service SERVICE DB: in the background, in a session of its own, so that a Ctrl-C reaches only the script. The
# descriptors of the script's locks stay with the script.
start_service() {
  local arguments=() program
  if [[ $1 == mariadb ]]; then prepare_mariadb; fi
  program=$(program_of "$1")
  arguments_of "$1" "$2"
  printf '%s starting: %s %s\n' "$(date -u +%FT%TZ)" "$1" "${arguments[*]}" >>"$LOG_DIR/$1.log"
  (
    cd "$ROOT"
    if [[ $2 == mysql ]]; then
      unset SAGAMESH_DB_PASSWORD
      SAGAMESH_DB_PASSWORD_FILE=$(password_file_of "$1")
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

is_healthy() { # PORT
  [[ $(curl -s -o /dev/null -m 3 -w '%{http_code}' "http://127.0.0.1:$1/health" 2>/dev/null) == 200 ]]
}

# unhealthy_service: prints the first service that does not answer well, by way of the gateway; fails if there is none.
unhealthy_service() {
  is_healthy 3001 && is_healthy 3003 || { echo customers && return; }
  is_healthy 3002 || { echo orders && return; }
  is_healthy 3000 || { echo coordinator && return; }
  return 1
}

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
