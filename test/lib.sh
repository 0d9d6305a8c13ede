# shellcheck shell=bash disable=SC2034,SC2119,SC2120
# What test/check, test/demo and test/bench share: packages, build, a throwaway server.
#
# Sourced by scripts that have set -euo pipefail and SRC (the checkout), and
# that call clean_up at EXIT. Everything happens in one private directory, $WORK, on a copy of the sources:
# a checkout that is read-only, or that the server's user cannot read, is as
# good as any other, and it stays clean.

PG_MAJOR=${PG_MAJOR:-15}
BINDIR=/usr/lib/postgresql/$PG_MAJOR/bin
PG_CONFIG=${PG_CONFIG:-$BINDIR/pg_config}
PORT=54317 # only names the socket file: the server listens on no TCP port

BUILD_PACKAGES=(make gcc libc6-dev
    "postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR")
TEST_PACKAGES=("postgresql-$PG_MAJOR-pgtap" libtap-parser-sourcehandler-pgtap-perl
    "postgresql-$PG_MAJOR-cron" python3-psycopg2 libpostgresql-jdbc-java
    libipc-run-perl)
LINT_PACKAGES=(clang-format-14)

WORK=
JOB=
SERVER=

say() { printf '%s\n' "$*"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# ---------------------------------------------------------------- packages

installed() {
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

missing() {
    local package
    for package in "$@"; do
        installed "$package" || printf '%s\n' "$package"
    done
}

# Runs a command with root's rights, or says which command needs them.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif sudo -n true 2>/dev/null || { command -v sudo >/dev/null && [[ -t 0 ]]; }; then
        sudo "$@"
    else
        die "packages are missing, and sudo cannot be used here. Let root run:
    apt-get update && apt-get install -y --no-install-recommends ${wanted[*]}"
    fi
}

# need_packages PACKAGE... installs what is missing. A package which this
# distribution does not have is left out, aloud: what needs it says so itself.
need_packages() {
    local wanted=() package
    mapfile -t wanted < <(missing "$@")
    ((${#wanted[@]})) || return 0
    command -v apt-get >/dev/null ||
        die "this needs Debian's packages: ${wanted[*]}"

    say "installing ${wanted[*]}"
    as_root apt-get update -qq || say "apt-get update failed: trying without"
    for package in "${!wanted[@]}"; do
        [[ -n $(apt-cache madison "${wanted[package]}" 2>/dev/null) ]] && continue
        say "not in this distribution: ${wanted[package]}"
        unset "wanted[package]"
    done
    ((${#wanted[@]})) || return 0
    install_packages "${wanted[@]}"
}

# Debian's server package would create a cluster and start it; none is wanted
# here, and whoever has one keeps it.
install_packages() {
    local no_cluster=/etc/postgresql-common/createcluster.d/lead_scoring.conf
    local log status=0
    log=$(mktemp)
    as_root mkdir -p "${no_cluster%/*}"
    as_root sh -c "echo 'create_main_cluster = off' >$no_cluster"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y \
        --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 || status=$?
    as_root rm -f "$no_cluster"
    ((status == 0)) || tail -n 40 "$log"
    rm -f "$log"
    ((status == 0)) || die "apt-get could not install: $*"
}

# --------------------------------------------- the directory, and its user

# make_work [NAME] makes $WORK and copies the sources to $WORK/src.
# initdb refuses root, so root hands everything to user postgres.
make_work() {
    AS_USER=(setpriv --pdeathsig TERM)
    ((EUID)) || id -u postgres >/dev/null 2>&1 ||
        die "there is no user postgres: postgresql-$PG_MAJOR is not installed"
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    WORK=$(mktemp -d "/tmp/${1:-lead_scoring}.XXXXXX")

    mkdir "$WORK"/{src,build,log,tmp,socket}
    tar -C "$SRC" --exclude=./.git --exclude-from=<(build_products) -cf - . |
        tar -C "$WORK/src" --no-same-owner -xf -
    chmod -R u+rwX "$WORK/src"
    copy_data
    if ((EUID == 0)); then
        chown -R postgres: "$WORK"
        AS_USER+=(--reuid postgres --regid postgres --init-groups)
    fi
    clean_environment
    cd "$WORK" || exit
}

# Objects left in the checkout would be found through VPATH and taken for
# fresh ones. .gitignore knows them; tar wants its leading slash as "./".
build_products() {
    sed -e 's,^/,./,' -e 's,/$,,' "$SRC/.gitignore"
}

# Real data sets are not part of the project: some tests use them where they are.
copy_data() {
    local data=${LEAD_SCORING_DATA:-$SRC/../shared/data}
    export LEAD_SCORING_DATA=$WORK/data
    mkdir "$WORK/data"
    [[ ! -d $data ]] || cp "$data"/* "$WORK/data/"
}

# Nothing of the caller's own set-up may change a result.
clean_environment() {
    local name
    for name in "${!PG@}"; do
        [[ $name == PG_MAJOR || $name == PG_CONFIG ]] || unset "$name"
    done
    unset MAKEFLAGS MAKELEVEL MFLAGS
    umask 022
    export HOME=$WORK TMPDIR=$WORK/tmp LC_ALL=C.UTF-8 TZ=UTC PATH=$BINDIR:$PATH
    export PGHOST=$WORK/socket PGPORT=$PORT PGUSER=postgres PGDATABASE=postgres
    export PG_MAJOR PG_CONFIG
}

as_user() { "${AS_USER[@]}" "$@"; }

# run LOG COMMAND... runs something long as the server's user, output to LOG.
# A process group of its own, waited for: so our traps act at once, and can
# stop all of it.
run() {
    local log=$1 status=0
    shift
    set -m
    (exec "${AS_USER[@]}" "$@") >>"$log" 2>&1 </dev/null &
    JOB=$!
    set +m
    wait "$JOB" || status=$?
    JOB=
    return "$status"
}

stop_job() {
    local tenths=50
    [[ -n $JOB ]] || return 0
    kill -TERM -- "-$JOB" 2>/dev/null || return 0
    while ((tenths-- > 0)) && kill -0 -- "-$JOB" 2>/dev/null; do
        sleep 0.1
    done
    kill -KILL -- "-$JOB" 2>/dev/null || true
}

clean_up() {
    trap '' HUP INT TERM
    set +e
    [[ -n $WORK ]] || return
    stop_job
    stop_server
    cd / && rm -rf "$WORK"
}

# ------------------------------------------------------------------- build

# build_stage [MAKE-VARIABLE=VALUE...] builds beside the sources and installs
# into $WORK/stage: the system's own PostgreSQL is not touched.
build_stage() {
    local variables=("PG_CONFIG=$PG_CONFIG" "$@") log=$WORK/log/build
    [[ -x $PG_CONFIG ]] || die "there is no $PG_CONFIG (PG_MAJOR is $PG_MAJOR)"
    run "$log" make -s -C "$WORK/build" -f "$WORK/src/Makefile" \
        -j "$(nproc)" "${variables[@]}" &&
        run "$log" make -s -C "$WORK/build" -f "$WORK/src/Makefile" \
            "${variables[@]}" "DESTDIR=$WORK/stage" install &&
        write_settings
}

# Where a server finds the stage. Debian's patch up to 17, the official
# setting from 18 on. $libdir and $system are for the server to expand.
write_settings() {
    local stage=$WORK/stage major
    major=$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    {
        # shellcheck disable=SC2016
        printf "dynamic_library_path = '%s:\$libdir'\n" \
            "$stage$("$PG_CONFIG" --pkglibdir)"
        if ((major >= 18)); then
            # shellcheck disable=SC2016
            printf "extension_control_path = '%s:\$system'\n" \
                "$stage$("$PG_CONFIG" --sharedir)"
        else
            printf "extension_destdir = '%s'\n" "$stage"
        fi
    } | as_user tee "$WORK/settings.conf" >/dev/null
}

# ------------------------------------------------------------------ server

# start_server [--keep]: a throwaway cluster that listens on a socket in
# $WORK, which only its user (and root) may enter. Should this script be
# killed outright, the kernel stops the server (pdeathsig); --keep: nobody does.
start_server() {
    local bound=(setpriv --pdeathsig INT)
    [[ ${1:-} != --keep ]] || bound=(setpriv --pdeathsig clear)
    run "$WORK/log/server" "$BINDIR/initdb" -N -A trust -U postgres -E UTF8 \
        --locale=C.UTF-8 -D "$WORK/server" || return 1
    server_settings | as_user tee -a "$WORK/server/postgresql.conf" >/dev/null
    set -m
    (exec "${AS_USER[@]}" "${bound[@]}" "$BINDIR/postgres" -D "$WORK/server") \
        >>"$WORK/log/server" 2>&1 </dev/null &
    SERVER=$!
    set +m
    wait_for_server
}

wait_for_server() {
    until "$BINDIR/pg_isready" -q; do
        kill -0 "$SERVER" 2>/dev/null || return 1
        sleep 0.1
    done
}

server_settings() {
    cat "$WORK/settings.conf"
    cat <<-END
		listen_addresses = ''
		unix_socket_directories = '$WORK/socket'
		port = $PORT
		fsync = off
		max_prepared_transactions = 10
		wal_level = logical
		log_line_prefix = '%m [%p] %q%a '
	END
}

# Stops every server under $WORK: ours, and any that a killed test left behind.
stop_server() {
    local pid_file
    while read -r pid_file; do
        as_user "$BINDIR/pg_ctl" stop -s -w -m "${1:-immediate}" \
            -D "${pid_file%/*}" >/dev/null 2>&1 || true
    done < <(find "$WORK" -name postmaster.pid 2>/dev/null)
    [[ -z $SERVER ]] || wait "$SERVER" || true
}

# step TEXT LOG COMMAND... says what it is doing, and shows log/LOG if that fails.
step() {
    local text=$1 log=$WORK/log/$2 started=$SECONDS
    shift 2
    printf '%s ... ' "$text"
    if "$@"; then
        say "$((SECONDS - started)) s"
    else
        say failed
        show "$log" | tail -n 40
        exit 1
    fi
}

# show FILE: a log with the paths of the copy turned into those of the checkout.
show() { sed "s,$WORK/src/,,g" "$1"; }
