#!/bin/sh
# Makes (or completes) the virtual environment that `make demo` and `make test` run in.
#   usage: tools/make_venv.sh FOLDER          PYTHON=... chooses the interpreter for a new one
# An environment that exists and works is kept and brought to requirements.lock.
set -eu
venv=${1:?usage: tools/make_venv.sh FOLDER}
log=$venv/install.log
py=$venv/bin/python

say() { printf '%s\n' "$*" >&2; }
recent() { "$@" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        recent "$PYTHON" && { printf '%s\n' "$PYTHON"; return; }
        say "PYTHON=$PYTHON is not a Python 3.11 or newer: give the path of one, e.g. make demo PYTHON=/usr/bin/python3.12"
        return 1
    fi
    for name in python3.11 python3.12 python3.13 python3.14 python3 python; do  # 3.11 first: the tested one
        recent "$name" && { printf '%s\n' "$name"; return; }
    done
    say "No Python 3.11 or newer was found: install one (Debian, Ubuntu: apt install python3 python3-venv;" \
        "macOS: brew install python), or name yours with make demo PYTHON=/path/to/python3"
    return 1
}

# Shows what pip is doing without its hundreds of lines: a count, and the names of large downloads.
# The last line it reads is "exit CODE"; that code is its own exit status.
show_progress() {
    total=$(grep -c '^[A-Za-z]' requirements.lock)
    count=0 code=1
    while IFS= read -r line; do
        case $line in
            Collecting*|Requirement\ already*)
                count=$((count + 1))
                [ "$count" -le "$total" ] || count=$total
                if [ -t 2 ]; then printf '\r  %s of at most %s packages looked up' "$count" "$total" >&2; fi ;;
            *Downloading*[0-9][0-9][0-9].[0-9]\ MB*)
                if [ -t 2 ]; then printf '\n' >&2; fi
                say "  downloading ${line##*Downloading }" ;;
            Installing\ collected*)
                if [ -t 2 ]; then printf '\n' >&2; fi
                [ "$count" -lt 10 ] || say "  installing (a minute or more: torch is large)" ;;
            ERROR*) say "$line" ;;
            exit\ [0-9]*) code=${line#exit } ;;
        esac
    done
    return "$code"
}

pip_install() {
    { code=0; "$py" -m pip install --no-input --disable-pip-version-check "$@" 2>&1 || code=$?; echo "exit $code"; } |
        tee -a "$log" | show_progress || {
        say "The installation failed; pip's whole output is in $log. Run the same command again to go on."
        exit 1
    }
}

if ! { recent "$py" && "$py" -m pip --version >/dev/null 2>&1; }; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "$python cannot make virtual environments: install its venv module" \
            "(Debian, Ubuntu: apt install python$version-venv), or name another one with PYTHON="
        exit 1
    fi
    say "Making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

: >"$log"
say "Installing the packages of requirements.lock into $venv (several minutes and about 6 GB the first time on Linux)"
pip_install -r requirements.lock
pip_install --no-deps --no-build-isolation -e .
say "Ready: $venv"
