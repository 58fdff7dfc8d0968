# What every script here begins with: `. "$(dirname "$0")/lib/common.sh"`.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$repo"

# What is worth keeping between runs: closure sets, a newer Nix. Safe to delete.
cache=${ORLEANS_CACHE_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/orleans-cache}

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
# No build servers: a script leaves nothing running. What builds much has a compiler while it does (compiler.sh).
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0
[ -n "${SharedCompilationId:-}" ] || export UseSharedCompilation=false
# Programs that run for seconds or minutes (compilers, tests) do not gain from code that is instrumented first; ours have it off in any case.
export DOTNET_TieredPGO=0

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }
# usage: prints the comment at the top of the script
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$repo/eng/$(basename "$0")" >&2; exit "${1:-2}"; }
# quiet LOG COMMAND...: shows the output only when the command fails
quiet() { local log=$1; shift; "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }; }
# now: seconds with milliseconds; since T: the seconds that have passed
now() { printf '%s' "${EPOCHREALTIME/,/.}"; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }
# free_ports N: the first of N ports in a row on which nobody listens, below the range of outgoing connections
free_ports() {
  local first p
  while :; do
    first=$((12000 + RANDOM % 19000))
    for ((p = first; p < first + $1; p++)); do
      if (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; then continue 2; fi
    done
    echo "$first"; return
  done
}
