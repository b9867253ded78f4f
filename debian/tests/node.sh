# Sourced: starts a node of the installed program in a directory of its own ($dir), ends it at exit.
set -eu
dir=$(mktemp -d)
chmod 755 "$dir"
node=
finish() {
  if [ -n "$node" ]; then
    kill "$node" && wait "$node" || true
  fi
  rm -rf "$dir"
}
trap finish EXIT
# start OPTION...: until it is ready.
start() {
  qanat serve --state "$dir/state" "$@" &
  node=$!
  for _ in $(seq 600); do
    if qanat status --json --state "$dir/state" 2>/dev/null | grep -q '"ready": *true'; then
      return
    fi
    kill -0 "$node" || exit 1
    sleep 0.1
  done
  echo "the node was not ready within a minute" >&2
  exit 1
}
