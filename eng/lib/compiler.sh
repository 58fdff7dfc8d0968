# One compiler for all that a script builds, warm after its first project: half of the time that a compiler of its own takes for each.
# It has a name of its own, so that nobody else's is used or ended, and is ended by the script that named it.
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
}
