#!/bin/bash
# Nix 2.8.0 and 2.26.3: "nix store make-content-addressed" gives a path that refers to itself another content address in each. Both hash the NAR with zeros for the path's own hash;
# 2.8.0 then appends "|" and the position of every such place, 2.26.3 does not (NixOS/nix#15837). So the same tree has two store paths, and each address is right for its release.
# As root on Debian, of whose suites bookworm and trixie the packages are. Needs mmdebstrap, which unpacks them; nothing is installed on the machine.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export LC_ALL=C HOME=$folder NIX_CONF_DIR=$folder NIX_CONFIG='experimental-features = nix-command
build-users-group ='

unpack() { mmdebstrap --quiet --variant=extract --include="nix-bin=$2" "$1" "$folder/$1"; }

# run PROGRAM ARG...: a program of nix-bin in $root, with the loader and the libraries there
run() {
  local loader libraries
  loader=$(find "$root" -name 'ld-linux-*.so.*' -type f -print -quit)
  libraries=$(printf '%s:' "$root"/lib/*-linux-gnu* "$root"/usr/lib/*-linux-gnu*)
  "$loader" --library-path "${libraries%:}" --argv0 "$1" "$root/usr/bin/nix" "${@:2}"
}

# modulo NAR HASH: NAR with zero bytes for HASH; positions NAR HASH: where HASH was, as "|12|34"
modulo() { sed "s/$2/$(printf '\\x00%.0s' {1..32})/g" "$1"; }
positions() { grep -aboF "$2" "$1" | sed 's/:.*//; s/^/|/' | tr -d '\n'; }
address() { echo "fixed:r:sha256:$(run nix-hash --type sha256 --to-base32 "$(sha256sum | cut -d ' ' -f 1)")"; }

# A script that mentions its own path three times, and a link to it; what else looks like a path in it is just text.
path=/nix/store/00000000000000000000000000000009-self
tell() {
  local root=$folder/$1 store=$folder/store-$1 made hash
  mkdir -p "$store$path/bin"
  printf '#!/bin/sh\nexec %s/bin/run /nix/store/k0bq3s4hdvxal217l04jr24n8jm5l29g-dep %s%s\n' $path $path $path >"$store$path/bin/run"
  chmod +x "$store$path/bin/run"
  ln -s $path/bin "$store$path/link"
  run nix-store --dump "$store$path" >nar
  printf '%s\n' $path "$(sha256sum <nar | cut -d ' ' -f 1)" "$(stat -c %s nar)" '' 1 $path | run nix-store --store "$store" --load-db
  run nix --version
  run nix store make-content-addressed --store "$store" $path 2>err || { cat err >&2; return 1; }
  made=$(run nix path-info --store "$store" --all | grep -vx $path)
  echo "  its address:             $(run nix path-info --store "$store" --json "$made" | grep -o 'fixed:r:sha256:[a-z0-9]*')"
  run nix-store --dump "$store$made" >nar
  hash=${made#/nix/store/}; hash=${hash%-self}
  echo "  NAR with zeros:          $(modulo nar "$hash" | address)"
  echo "  the same with positions: $({ modulo nar "$hash"; positions nar "$hash"; } | address), $(positions nar "$hash")"
}

unpack bookworm 2.8.0-1.1+b1
unpack trixie 2.26.3+dfsg-1
echo "nix store make-content-addressed, on the same path that refers to itself:"
{ tell bookworm; tell trixie; } | tee seen
diff - seen <<'EXPECTED' || { echo "It behaves otherwise now."; exit 1; }
nix (Nix) 2.8.0
  its address:             fixed:r:sha256:0hksbz3by63nhlfa11j28r4dh8kjp7li9hw8cmsa62xa8rqj9mvs
  NAR with zeros:          fixed:r:sha256:0c0h2s4ji8647bs1rvi57klrm385b3kqlli0bwqa30y9j5hxqkr4
  the same with positions: fixed:r:sha256:0hksbz3by63nhlfa11j28r4dh8kjp7li9hw8cmsa62xa8rqj9mvs, |426|531|579|851
nix (Nix) 2.26.3
  its address:             fixed:r:sha256:0c0h2s4ji8647bs1rvi57klrm385b3kqlli0bwqa30y9j5hxqkr4
  NAR with zeros:          fixed:r:sha256:0c0h2s4ji8647bs1rvi57klrm385b3kqlli0bwqa30y9j5hxqkr4
  the same with positions: fixed:r:sha256:0hksbz3by63nhlfa11j28r4dh8kjp7li9hw8cmsa62xa8rqj9mvs, |426|531|579|851
EXPECTED
