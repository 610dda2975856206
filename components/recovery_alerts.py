"""A PrometheusRule for the schedules of one validator; needs the Prometheus operator and kube-state-metrics."""

from dataclasses import dataclass
from datetime import datetime

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from catalyx_dr.adapters.cluster import labels
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.validator_spec import Alerts, ValidatorSpec
from catalyx_dr.rules.alert_rules import alert_rules
from components.object_metadata import STACK_FILE_WINS


@dataclass(frozen=True)
class RecoveryAlertsArgs:
    """`now` (with a time zone): gaps of schedules are looked for from there."""

    validator: ValidatorSpec
    alerts: Alerts
    now: datetime


class RecoveryAlerts(pulumi.ComponentResource):
    """PrometheusRule `catalyx-dr-<validator>`."""

    def __init__(self, name: str, args: RecoveryAlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("catalyx-dr:proof:RecoveryAlerts", name, None, opts)
        spec = args.validator
        rule_name = ObjectNames.of(spec).spec_config_map
        self.rule = CustomResource(
            rule_name,
            api_version="monitoring.coreos.com/v1",
            kind="PrometheusRule",
            metadata=ObjectMetaArgs(
                name=rule_name,
                namespace=spec.namespace,
                labels={**args.alerts.prometheus_labels, **labels(spec.name)},
                annotations=STACK_FILE_WINS,
            ),
            spec=alert_rules(spec, args.now),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"prometheusRule": rule_name})
