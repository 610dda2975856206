"""One outside system each: PostgreSQL, volumes, buckets, encryption, the cluster, the validator, Keycloak."""
