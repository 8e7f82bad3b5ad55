# Sourced by the scripts of this folder (bash): where things are, and what has to be there.

set -euo pipefail
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# The Python virtual environments `modern` and `legacy`: name a ready pair by MCPGW_VENVS, or they are made here.
venvs=${MCPGW_VENVS:-$checkout/.build/venvs}
nobody=65534

# Nothing is linked with OpenSSL: the build needs its headers, the program loads libcrypto (libssl3) when it runs.
packages_build="libseccomp-dev libsystemd-dev libssl-dev libssl3 libre2-dev libyaml-dev libutf8proc-dev pkg-config gcc g++ libc6-dev binutils"
packages_check="$packages_build python3 python3-venv curl strace systemd util-linux procps iproute2"
packages_bench="gcc libc6-dev binutils python3 wrk nginx-light"

say() { printf '\n== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Installs those of the named Debian packages that are missing.
install_packages() {
    local package missing=()
    for package in "$@"; do
        [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null ||
            fail "missing packages; as root: apt-get update && apt-get install ${missing[*]}"
        as_root=(sudo -n)
    fi
    say "installing ${missing[*]}"
    # Another apt may hold the lock, at boot for example: wait for it.
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 -qq update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq -y \
        --no-install-recommends install "${missing[@]}"
}

need_swift() {
    command -v swift >/dev/null ||
        fail "Swift 6.3 is needed and not in PATH: install the toolchain for Debian 12 from swift.org"
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    [ "$(printf '6.3\n%s\n' "$version" | sort -V | head -n 1)" = 6.3 ] ||
        fail "Swift 6.3 is needed, this is ${version:-of no known version}: install the toolchain for Debian 12 from swift.org"
}

# Makes the virtual environment $1 from its pinned requirements, unless it stands and they have not changed. The system's
# Python: an unprivileged user must be able to run it too, which one in somebody's home does not allow.
make_venv() {
    local at=$venvs/$1 requirements=$checkout/Tests/Integration/requirements-$1.txt
    cmp -s "$requirements" "$at/requirements.txt" && return
    say "making the Python environment $at"
    [ -x "$at/bin/python" ] || /usr/bin/python3 -m venv "$at"
    "$at/bin/pip" --quiet --disable-pip-version-check install --requirement "$requirements"
    cp "$requirements" "$at/requirements.txt"
}

# Whether an unprivileged user can read what is at a path, every directory above included.
open_to_all() {
    setpriv --reuid=$nobody --regid=$nobody --clear-groups test -r "$1" 2>/dev/null
}
