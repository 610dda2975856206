-- Tables of the participant's database under Canton's names, as far as the stand-in needs them.

do $$ begin
    create type change_type as enum ('deactivation', 'activation');
    create type operation_type as enum ('create', 'add', 'assign', 'archive', 'purge', 'unassign');
exception when duplicate_object then null;
end $$;

create table if not exists common_node_id (
    identifier varchar collate "C" not null,
    namespace varchar collate "C" not null,
    primary key (identifier, namespace)
);

create table if not exists common_crypto_private_keys (
    key_id varchar collate "C" primary key,
    wrapper_key_id varchar collate "C",
    purpose smallint not null,
    data bytea not null,
    name varchar collate "C"
);

create table if not exists common_crypto_public_keys (
    key_id varchar collate "C" primary key,
    purpose smallint not null,
    data bytea not null,
    name varchar collate "C"
);

create table if not exists common_topology_transactions (
    id bigint generated always as identity primary key,
    store_id integer not null,
    sequenced bigint not null,
    transaction_type integer not null,
    namespace varchar collate "C" not null,
    identifier varchar collate "C" not null,
    mapping_key_hash bytea not null,
    serial_counter integer not null,
    valid_from bigint not null,
    batch_idx integer not null,
    valid_until bigint,
    operation integer not null,
    instance bytea not null,
    tx_hash bytea not null,
    rejection_reason varchar collate "C",
    is_proposal boolean not null,
    representative_protocol_version integer not null,
    hash_of_signatures bytea not null,
    unique (store_id, valid_from, batch_idx)
);
create index if not exists idx_common_topology_transactions_for_queries
    on common_topology_transactions (store_id, transaction_type, namespace, identifier, valid_until);

create table if not exists common_party_metadata (
    party_id varchar collate "C" primary key,
    participant_id varchar collate "C",
    submission_id varchar collate "C",
    notified boolean not null default false,
    effective_at bigint not null
);

create table if not exists par_settings (
    client integer primary key,
    max_infight_validation_requests integer,
    max_submission_rate integer,
    max_deduplication_duration bytea,
    max_submission_burst_factor double precision not null default 0.5
);

create table if not exists par_synchronizer_connection_configs (
    synchronizer_alias varchar collate "C" not null,
    physical_synchronizer_id varchar collate "C",
    empty_if_null_physical_synchronizer_id varchar collate "C" generated always as (
        case when physical_synchronizer_id is null then '' else physical_synchronizer_id end
    ) stored not null,
    config bytea not null,
    status char(1) default 'A' not null,
    synchronizer_predecessor bytea,
    unique (synchronizer_alias, empty_if_null_physical_synchronizer_id)
);

create table if not exists par_registered_synchronizers (
    physical_synchronizer_id varchar collate "C" primary key,
    synchronizer_alias varchar collate "C" not null
);

create table if not exists par_daml_packages (
    package_id varchar collate "C" primary key,
    data bytea not null,
    name varchar collate "C" not null,
    version varchar collate "C" not null,
    uploaded_at bigint not null,
    package_size bigint not null
);

create table if not exists par_dars (
    main_package_id varchar collate "C" primary key,
    data bytea not null,
    description varchar collate "C",
    name varchar collate "C" not null,
    version varchar collate "C" not null
);

create table if not exists par_dar_packages (
    main_package_id varchar collate "C" not null references par_dars (main_package_id) on delete cascade,
    package_id varchar collate "C" not null references par_daml_packages (package_id) on delete cascade,
    primary key (main_package_id, package_id)
);

create table if not exists par_contracts (
    internal_contract_id bigint generated always as identity,
    contract_id bytea not null,
    instance bytea not null,
    package_id varchar collate "C" not null,
    template_id varchar collate "C" not null,
    primary key (contract_id) include (internal_contract_id)
);
create unique index if not exists idx_par_contracts_internal on par_contracts (internal_contract_id);

create table if not exists par_active_contracts (
    synchronizer_idx integer not null,
    contract_id bytea not null,
    change change_type not null,
    operation operation_type not null,
    ts bigint not null,
    repair_counter bigint not null,
    remote_synchronizer_idx integer,
    reassignment_counter bigint,
    primary key (synchronizer_idx, contract_id, ts, repair_counter, change)
);

create table if not exists lapi_parameters (
    ledger_end bigint,
    participant_id varchar collate "C" not null,
    participant_pruned_up_to_inclusive bigint,
    ledger_end_sequential_id bigint,
    ledger_end_string_interning_id integer,
    ledger_end_publication_time bigint
);

create table if not exists lapi_update_meta (
    update_id bytea not null,
    event_offset bigint not null,
    publication_time bigint not null,
    record_time bigint not null,
    synchronizer_id integer not null,
    event_sequential_id_first bigint not null,
    event_sequential_id_last bigint not null
);
create unique index if not exists lapi_update_meta_event_offset_idx on lapi_update_meta (event_offset);

create table if not exists lapi_events_activate_contract (
    event_offset bigint not null,
    update_id bytea not null,
    command_id varchar collate "C",
    record_time bigint not null,
    synchronizer_id integer not null,
    event_type smallint not null,
    event_sequential_id bigint not null,
    node_id integer not null,
    representative_package_id integer not null,
    internal_contract_id bigint not null
);
create unique index if not exists lapi_events_activate_contract_event_sequential_id_idx
    on lapi_events_activate_contract (event_sequential_id);
create index if not exists lapi_events_activate_contract_event_offset_idx
    on lapi_events_activate_contract (event_offset);

create table if not exists lapi_identity_provider_config (
    identity_provider_id varchar collate "C" primary key,
    issuer varchar collate "C" not null unique,
    jwks_url varchar collate "C" not null,
    is_deactivated boolean not null,
    audience varchar collate "C"
);

create table if not exists lapi_users (
    internal_id integer generated always as identity primary key,
    user_id varchar collate "C" not null unique,
    primary_party varchar collate "C",
    created_at bigint not null,
    is_deactivated boolean default false not null,
    resource_version bigint default 0 not null,
    identity_provider_id varchar collate "C" references lapi_identity_provider_config (identity_provider_id)
);

create table if not exists lapi_user_rights (
    user_internal_id integer not null references lapi_users (internal_id) on delete cascade,
    user_right integer not null,
    for_party varchar collate "C",
    granted_at bigint not null,
    unique (user_internal_id, user_right, for_party)
);
