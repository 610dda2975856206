"""Services: their addresses (kube-proxy) and their names (CoreDNS)."""

from pathlib import Path

from dev.cluster import layout
from dev.cluster.configuration_files import write_json, write_when_changed
from dev.cluster.credentials import kubeconfig_of
from dev.cluster.layout import state
from dev.cluster.processes import ensure_running


def start_proxy(hk: Path) -> None:
    """Start kube-proxy, which routes the addresses of services for pods and for this machine."""
    configuration = write_json(
        state("kube-proxy.json"),
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(kubeconfig_of("proxy"))},
            "hostnameOverride": layout.NODE_NAME,
            "clusterCIDR": layout.POD_NETWORK,
            "healthzBindAddress": f"127.0.0.1:{layout.PROXY_HEALTH_PORT}",
            "metricsBindAddress": f"127.0.0.1:{layout.PROXY_METRICS_PORT}",
            # 0: the machine's own limits of tracked connections stay
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        },
    )
    ensure_running(
        "kube-proxy",
        [hk, "kube-proxy", f"--config={configuration}"],
        [configuration, kubeconfig_of("proxy")],
    )


def start_name_server(coredns: Path) -> None:
    """Start the cluster's name server. It knows the cluster's names and no others."""
    configuration = write_when_changed(
        state("Corefile"),
        f"""\
{layout.CLUSTER_DOMAIN}:53 in-addr.arpa:53 {{
    bind {layout.NODE_ADDRESS}
    errors
    ready {layout.NODE_ADDRESS}:{layout.DNS_READY_PORT}
    kubernetes {layout.CLUSTER_DOMAIN} in-addr.arpa {{
        kubeconfig {kubeconfig_of("dns")}
        ttl 5
    }}
    cache 5
}}
.:53 {{
    bind {layout.NODE_ADDRESS}
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
""",
    )
    ensure_running("coredns", [coredns, "-conf", configuration], [configuration, kubeconfig_of("dns")])
