#!/usr/bin/env bash
# One machine of a Ray cluster, until it is ended: ray_node.sh head ADDRESS PORT | ray_node.sh worker ADDRESS PORT
# ADDRESS is the head's, in the network that the machines share. RAY_AUTH_TOKEN is the secret of all of them.
set -euo pipefail
role=$1 address=$2 port=$3
: "${RAY_AUTH_TOKEN:?a secret that all machines of the cluster have}"
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
if [ "$address" = 127.0.0.1 ]; then
  export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 # Ray listens on all interfaces without it, on loopback alone with it
fi
case $role in
  head) exec ray start --head --block --node-ip-address "$address" --port "$port" --include-dashboard false ${RAY_START_OPTIONS:-} ;;
  worker) exec ray start --block --address "$address:$port" ${RAY_START_OPTIONS:-} ;;
  *) echo "ray_node.sh: head or worker, not $role" >&2; exit 2 ;;
esac
