# One compiler for all that a script builds, warm after its first project. It has a name of its own, so that nobody else's is used or ended,
# and the script that named it ends it.
compiler=
if [ -z "${SharedCompilationId:-}" ]; then
  compiler=oc-$$-$RANDOM
  export UseSharedCompilation=true SharedCompilationId=$compiler
fi

end_compiler() {
  [ -n "$compiler" ] || return 0
  local file
  # Written so that grep's own command line is none of them.
  for file in $(grep -la -e "-pipename:[o]${compiler#o}" /proc/[0-9]*/cmdline 2>/dev/null); do
    file=${file#/proc/}
    kill -TERM "${file%/cmdline}" 2>/dev/null || true
  done
  rm -f "${TMPDIR:-/tmp}/$compiler" # its socket, which it leaves
}
