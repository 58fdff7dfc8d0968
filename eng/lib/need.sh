# need THING...: installs what is missing, as root on Debian; else says in one sentence what to install and returns 1.
# A THING is a group of Debian packages; nothing is started or configured on the machine.
declare -A packages=(
  [nix]="nix-bin openssl"
  [postgres]="postgresql"
  [pgbouncer]="pgbouncer"
  [s3]="radosgw ceph-mon ceph-osd ceph-common curl"
  [libraries]="libzstd1 liblzma5 libbz2-1.0"
  [tools]="curl zstd xz-utils bzip2 jq"
  [newer-nix]="mmdebstrap"
  [newer-kubectl]="mmdebstrap"
  [bare-debian]="mmdebstrap"
  [image]="mmdebstrap jq"
  [charts]="golang-go golang-github-masterminds-sprig-dev golang-gopkg-yaml.v3-dev"
  [aot]="clang zlib1g-dev"
  [browser]="chromium chromium-driver fonts-dejavu-core"
)

need() {
  local thing package missing=()
  for thing; do
    for package in ${packages[$thing]}; do
      [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "Not installed: ${missing[*]}. As root: apt-get install -y --no-install-recommends ${missing[*]}"
    return 1
  fi
  say "Installing ${missing[*]}"
  local log; log=$(mktemp)
  if install_packages "${missing[@]}" >"$log" 2>&1; then rm -f "$log"; return 0; fi
  tail -n 20 "$log" >&2
  say "apt-get could not install ${missing[*]}; all of its output is in $log"
  return 1
}

install_packages() (
  export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1
  # Debian would create a PostgreSQL cluster and start it, and PgBouncer: the tests bring their own.
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  # The package lists of a fresh machine are empty or old: fetched only when the first try fails.
  apt-get install -y --no-install-recommends "$@" || { apt-get update && apt-get install -y --no-install-recommends "$@"; }
)

# newer_nix [SUITE]: prints a folder with a Nix newer than Debian 12's, made on first use; 1 when there is none to be had
newer_nix() {
  local suite=${1:-trixie} root log
  root=$cache/nix-$suite
  if [ ! -e "$root/.root-done" ]; then
    [ "$(id -u)" = 0 ] || { say "No newer Nix: making one needs root."; return 1; }
    need newer-nix || return 1
    mkdir -p "$cache"; rm -rf "$root"; log=$(mktemp)
    # Of a mirror that stands still the Release file is past its date: its signature still counts.
    if ! "$repo/eng/debian-root.sh" make "$suite" "$root" nix-bin >"$log" 2>&1 &&
      ! { rm -rf "$root"; ROOT_UNEXPIRED=0 "$repo/eng/debian-root.sh" make "$suite" "$root" nix-bin >"$log" 2>&1; }; then
      say "No newer Nix: $(tail -n 1 "$log")"; rm -rf "$root" "$log"; return 1
    fi
    rm -f "$log"
  fi
  echo "$root"
}

# recent_kubectl: prints a kubectl with kustomize 5: the machine's, else Debian 13's, unpacked on first use (Debian 12's has kustomize 2); 1 when there is none
recent_kubectl() {
  local root=$cache/kubectl-trixie log
  if kubectl version --client 2>/dev/null | grep -q '^Kustomize Version: v5'; then command -v kubectl; return; fi
  if [ ! -e "$root/.root-done" ]; then
    [ "$(id -u)" = 0 ] || { say "No kubectl with kustomize 5 is installed, and unpacking one needs root."; return 1; }
    need newer-kubectl || return 1
    mkdir -p "$cache"; rm -rf "$root"; log=$(mktemp)
    if ! "$repo/eng/debian-root.sh" make trixie "$root" kubernetes-client >"$log" 2>&1; then
      say "No kubectl: $(tail -n 1 "$log")"; rm -rf "$root" "$log"; return 1
    fi
    rm -f "$log"
  fi
  # It needs nothing of its folder but itself.
  echo "$root/usr/bin/kubectl"
}

# bare_debian: prints a Debian 12 folder with what our packages need and Nix, and nothing of ours, made on first use; 1 when there is none to be had
bare_debian() {
  local root=$cache/bare-debian log
  if [ ! -e "$root/.root-done" ]; then
    [ "$(id -u)" = 0 ] || { say "No bare Debian: making one needs root."; return 1; }
    need bare-debian || return 1
    mkdir -p "$cache"; rm -rf "$root"; log=$(mktemp)
    if ! "$repo/eng/debian-root.sh" system bookworm "$root" nix-bin postgresql systemd-standalone-sysusers ca-certificates libssl3 libsqlite3-0 \
      libstdc++6 libbz2-1.0 liblzma5 libzstd1 init-system-helpers >"$log" 2>&1; then
      say "No bare Debian: $(tail -n 1 "$log")"; rm -rf "$root" "$log"; return 1
    fi
    rm -f "$log"
  fi
  echo "$root"
}
