#!/bin/bash
# Nix 2.8.0 runs a post-build-hook with OUT_PATHS set to nothing, although the manual says that it has the built outputs; DRV_PATH is right. 2.26.3 has them all, of a derivation with
# several outputs too. A hook that pushes $OUT_PATHS therefore pushes nothing with 2.8.0, which Debian 12 ships, and ends well.
# As root on Debian, of whose suites bookworm and trixie the packages are. Needs mmdebstrap, which unpacks them; nothing is installed on the machine.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export LC_ALL=C HOME=$folder NIX_CONF_DIR=$folder

unpack() { mmdebstrap --quiet --variant=extract --include="nix-bin=$2" "$1" "$folder/$1"; }

# run PROGRAM ARG...: a program of nix-bin in $root, with the loader and the libraries there
run() {
  local loader libraries
  loader=$(find "$root" -name 'ld-linux-*.so.*' -type f -print -quit)
  libraries=$(printf '%s:' "$root"/lib/*-linux-gnu* "$root"/usr/lib/*-linux-gnu*)
  "$loader" --library-path "${libraries%:}" --argv0 "$1" "$root/usr/bin/nix" "${@:2}"
}

cat >hook <<'HOOK'
#!/bin/sh
names() { for path; do name=${path##*/}; printf ' %s' "${name#*-}"; done; }
{ echo "  DRV_PATH:$(names $DRV_PATH)"; echo "  OUT_PATHS:$(names $OUT_PATHS)"; } >>seen.hook
HOOK
chmod +x hook
sed -i "s|>>seen.hook|>>$folder/seen|" hook
cat >two.nix <<'NIX'
derivation {
  name = "two"; system = builtins.currentSystem; outputs = [ "out" "dev" ]; builder = "/bin/sh"; args = [ "-c" "echo one > $out; echo another > $dev" ];
}
NIX

tell() {
  local root=$folder/$1
  export NIX_STORE_DIR=$folder/$1-nix/store NIX_STATE_DIR=$folder/$1-nix/state NIX_LOG_DIR=$folder/$1-nix/log NIX_LOCALSTATE_DIR=$folder/$1-nix
  run nix --version >>seen
  NIX_CONFIG="build-users-group =
sandbox = false
substituters =
${2:-}
experimental-features = nix-command
post-build-hook = $folder/hook" run nix-build --no-out-link two.nix >out 2>err || { cat err >&2; return 1; }
}

unpack bookworm 2.8.0-1.1+b1
unpack trixie 2.26.3+dfsg-1
tell bookworm
# It would run itself through the loader for remote machines, of which there are none.
tell trixie "build-hook ="
echo "What a post-build-hook is told of a derivation with two outputs:"
cat seen
diff - seen <<'EXPECTED' || { echo "It behaves otherwise now."; exit 1; }
nix (Nix) 2.8.0
  DRV_PATH: two.drv
  OUT_PATHS:
nix (Nix) 2.26.3
  DRV_PATH: two.drv
  OUT_PATHS: two-dev two
EXPECTED
