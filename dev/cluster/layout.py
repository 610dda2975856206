"""Where the local cluster keeps its state, and its addresses and ports on this machine."""

from pathlib import Path

from dev.cache_folder import cache_folder

NODE_NAME = "localhost"
NODE_ADDRESS = "10.88.0.1"  # the bridge's: pods reach the API server and the name server there
POD_NETWORK = "10.88.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
CLUSTER_DOMAIN = "cluster.local"
BRIDGE = "catalyx0"

API_PORT = 16443
ETCD_PORT = 12379
ETCD_PEER_PORT = 12380
KUBELET_PORT = 11250
CONTROLLERS_PORT = 20257
SCHEDULER_PORT = 20259
PROXY_HEALTH_PORT = 20256
PROXY_METRICS_PORT = 20249
DNS_READY_PORT = 20253

API_URL = f"https://{NODE_ADDRESS}:{API_PORT}"
READY_WITHIN_SECONDS = 120.0


def state(*parts: str) -> Path:
    """A path below the cluster's state folder. The folder itself is made, closed to other users."""
    folder = cache_folder("cluster")
    folder.chmod(0o700)
    return folder.joinpath(*parts)


def state_folder(*parts: str) -> Path:
    """A folder below the cluster's state, made when it is missing."""
    folder = state(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
