-- What the migrations make of an empty database. Generated: npm run generate

CREATE DOMAIN base_units AS numeric(39,0);
  CHECK (((VALUE >= (0)::numeric) AND (VALUE < '340282366920938463463374607431768211456'::numeric)))

CREATE DOMAIN evm_address AS text;
  CHECK ((VALUE ~ '^0x[0-9a-f]{40}$'::text))

CREATE DOMAIN evm_hash AS text;
  CHECK ((VALUE ~ '^0x[0-9a-f]{64}$'::text))

CREATE DOMAIN quota_units AS bigint;
  CHECK (((VALUE >= 0) AND (VALUE <= '1000000000000'::bigint)))

CREATE DOMAIN wallet_bytes AS bytea;
  CHECK (((length(VALUE) = 20) AND (VALUE <> '\x0000000000000000000000000000000000000000'::bytea)))

CREATE TABLE access_compute (
  user_id text NOT NULL,
  entity_type integer NOT NULL,
  entity_id text NOT NULL,
  active bigint NOT NULL,
  quota_per_day bigint NOT NULL,
  reserved_until bigint NOT NULL,
  CONSTRAINT access_compute_active_check CHECK ((active >= 0)),
  CONSTRAINT access_compute_pkey PRIMARY KEY (user_id, entity_type, entity_id),
  CONSTRAINT access_compute_quota_per_day_check CHECK ((quota_per_day >= 0)),
  CONSTRAINT access_compute_totals CHECK (((active = 0) = (quota_per_day = 0)))
) WITH (fillfactor=80);

CREATE TABLE access_consumed_unit (
  id text NOT NULL,
  user_id text NOT NULL,
  entity_type integer NOT NULL,
  entity_id text NOT NULL,
  created_at bigint NOT NULL,
  CONSTRAINT access_consumed_unit_pkey PRIMARY KEY (id)
);

CREATE TABLE access_entity (
  entity_type integer NOT NULL,
  name text NOT NULL,
  required_tst base_units NOT NULL,
  quota_per_day integer NOT NULL,
  CONSTRAINT access_entity_entity_type_check CHECK (((entity_type >= 1) AND (entity_type <= 100))),
  CONSTRAINT access_entity_name_check CHECK ((name ~ '^[a-z_]{1,32}$'::text)),
  CONSTRAINT access_entity_name_key UNIQUE (name),
  CONSTRAINT access_entity_pkey PRIMARY KEY (entity_type),
  CONSTRAINT access_entity_quota_per_day_check CHECK ((quota_per_day > 0)),
  CONSTRAINT access_entity_required_tst_check CHECK (((required_tst)::numeric > (0)::numeric))
);

CREATE TABLE access_level (
  level integer NOT NULL,
  required_tst base_units NOT NULL,
  benefits text[] NOT NULL DEFAULT '{}'::text[],
  CONSTRAINT access_level_level_check CHECK (((level >= 1) AND (level <= 100))),
  CONSTRAINT access_level_pkey PRIMARY KEY (level),
  CONSTRAINT access_level_required_tst_check CHECK (((required_tst)::numeric > (0)::numeric)),
  CONSTRAINT access_level_required_tst_key UNIQUE (required_tst)
);

CREATE TABLE access_lock (
  id text NOT NULL,
  place bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  agreement_id text NOT NULL,
  user_id text NOT NULL,
  counterparty_id text,
  account uuid NOT NULL,
  amount base_units NOT NULL,
  level integer NOT NULL,
  created_at bigint NOT NULL,
  locked_until bigint NOT NULL,
  status text NOT NULL,
  ended_at bigint,
  locker_asks_end boolean NOT NULL DEFAULT false,
  counterparty_asks_end boolean NOT NULL DEFAULT false,
  ended_by text,
  CONSTRAINT access_lock_amount_check CHECK (((amount)::numeric > (0)::numeric)),
  CONSTRAINT access_lock_counterparty_asks CHECK (((NOT counterparty_asks_end) OR (counterparty_id IS NOT NULL))),
  CONSTRAINT access_lock_ended CHECK (((status = 'locked'::text) = (ended_at IS NULL))),
  CONSTRAINT access_lock_not_before_due CHECK (((status <> 'released'::text) OR (ended_at >= locked_until))),
  CONSTRAINT access_lock_parties CHECK ((counterparty_id <> user_id)),
  CONSTRAINT access_lock_period CHECK (((locked_until >= (created_at + 86400)) AND (locked_until <= (created_at + (365 * 86400))))),
  CONSTRAINT access_lock_pkey PRIMARY KEY (id),
  CONSTRAINT access_lock_status_check CHECK ((status = ANY (ARRAY['locked'::text, 'released'::text, 'terminated'::text]))),
  CONSTRAINT access_lock_terminated_by_right CHECK (((status <> 'terminated'::text) OR (ended_by IS NOT NULL) OR (locker_asks_end AND counterparty_asks_end)))
) WITH (fillfactor=80);

CREATE TABLE access_requirement (
  action text NOT NULL,
  subject text NOT NULL,
  subject_value integer,
  reason text NOT NULL,
  description text NOT NULL,
  tier_required integer NOT NULL DEFAULT 0,
  CONSTRAINT access_requirement_action_check CHECK ((action ~ '^[a-z0-9_]{1,64}$'::text)),
  CONSTRAINT access_requirement_pkey PRIMARY KEY (action),
  CONSTRAINT access_requirement_subject_check CHECK ((subject = ANY (ARRAY['level'::text, 'tier'::text, 'entity'::text])))
);

CREATE TABLE access_reservation (
  id text NOT NULL,
  user_id text NOT NULL,
  entity_type integer NOT NULL,
  entity_id text NOT NULL,
  account uuid NOT NULL,
  amount base_units NOT NULL,
  quota_per_day integer NOT NULL,
  created_at bigint NOT NULL,
  reserved_until bigint NOT NULL,
  status text NOT NULL,
  ended_at bigint,
  ended_by text,
  CONSTRAINT access_reservation_amount_check CHECK (((amount)::numeric > (0)::numeric)),
  CONSTRAINT access_reservation_ended CHECK (((status = 'reserved'::text) = (ended_at IS NULL))),
  CONSTRAINT access_reservation_not_before_due CHECK (((status = 'reserved'::text) OR (ended_by IS NOT NULL) OR (ended_at >= reserved_until))),
  CONSTRAINT access_reservation_period CHECK (((reserved_until >= (created_at + 86400)) AND (reserved_until <= (created_at + (365 * 86400))))),
  CONSTRAINT access_reservation_pkey PRIMARY KEY (id),
  CONSTRAINT access_reservation_quota_per_day_check CHECK ((quota_per_day > 0)),
  CONSTRAINT access_reservation_status_check CHECK ((status = ANY (ARRAY['reserved'::text, 'expired'::text])))
) WITH (fillfactor=80);

CREATE TABLE access_stake (
  id text NOT NULL,
  place bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  user_id text NOT NULL,
  strategy_id text NOT NULL,
  account uuid NOT NULL,
  tier integer NOT NULL,
  amount base_units NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  status text NOT NULL,
  ended_at bigint,
  ended_by text,
  end_reason text,
  CONSTRAINT access_stake_amount_check CHECK (((amount)::numeric > (0)::numeric)),
  CONSTRAINT access_stake_check CHECK ((expires_at > created_at)),
  CONSTRAINT access_stake_end_reason CHECK (((ended_by IS NULL) = (end_reason IS NULL))),
  CONSTRAINT access_stake_ended CHECK (((status = 'staked'::text) = (ended_at IS NULL))),
  CONSTRAINT access_stake_not_before_due CHECK (((status = 'staked'::text) OR (ended_by IS NOT NULL) OR (ended_at >= expires_at))),
  CONSTRAINT access_stake_pkey PRIMARY KEY (id),
  CONSTRAINT access_stake_status_check CHECK ((status = ANY (ARRAY['staked'::text, 'expired'::text]))),
  CONSTRAINT access_stake_tier_check CHECK ((tier > 0))
) WITH (fillfactor=80);

CREATE TABLE access_tier (
  tier integer NOT NULL,
  required_tst base_units NOT NULL,
  quota_per_day integer NOT NULL,
  duration_days integer NOT NULL DEFAULT 30,
  cooldown text NOT NULL,
  analyses_per_day integer,
  max_capital text,
  benefits text[] NOT NULL DEFAULT '{}'::text[],
  CONSTRAINT access_tier_check CHECK (((tier = 0) = ((required_tst)::numeric = (0)::numeric))),
  CONSTRAINT access_tier_duration_days_check CHECK (((duration_days >= 1) AND (duration_days <= 365))),
  CONSTRAINT access_tier_limits CHECK (((tier = 0) OR ((analyses_per_day IS NOT NULL) AND (max_capital IS NOT NULL)))),
  CONSTRAINT access_tier_pkey PRIMARY KEY (tier),
  CONSTRAINT access_tier_quota_per_day_check CHECK ((quota_per_day >= 0)),
  CONSTRAINT access_tier_tier_check CHECK (((tier >= 0) AND (tier <= 100)))
);

CREATE TABLE access_user (
  user_id text NOT NULL,
  locked base_units NOT NULL DEFAULT 0,
  staked base_units NOT NULL DEFAULT 0,
  reserved base_units NOT NULL DEFAULT 0,
  active_locks bigint NOT NULL DEFAULT 0,
  active_stakes bigint NOT NULL DEFAULT 0,
  active_reservations bigint NOT NULL DEFAULT 0,
  stakes_by_tier jsonb NOT NULL DEFAULT '{}'::jsonb,
  quota_by_entity jsonb NOT NULL DEFAULT '{}'::jsonb,
  CONSTRAINT access_user_active_locks_check CHECK ((active_locks >= 0)),
  CONSTRAINT access_user_active_reservations_check CHECK ((active_reservations >= 0)),
  CONSTRAINT access_user_active_stakes_check CHECK ((active_stakes >= 0)),
  CONSTRAINT access_user_pkey PRIMARY KEY (user_id),
  CONSTRAINT access_user_totals CHECK ((((active_locks = 0) = ((locked)::numeric = (0)::numeric)) AND ((active_stakes = 0) = ((staked)::numeric = (0)::numeric)) AND ((active_reservations = 0) = ((reserved)::numeric = (0)::numeric))))
) WITH (fillfactor=60);

CREATE TABLE account (
  id uuid NOT NULL,
  asset text NOT NULL,
  role text NOT NULL,
  owner text,
  reference text,
  debit_allowance base_units,
  credit_allowance base_units,
  closed boolean NOT NULL DEFAULT false,
  exit_demanded boolean NOT NULL DEFAULT false,
  debits_posted base_units NOT NULL DEFAULT 0,
  credits_posted base_units NOT NULL DEFAULT 0,
  debits_pending base_units NOT NULL DEFAULT 0,
  credits_pending base_units NOT NULL DEFAULT 0,
  metadata jsonb,
  created_at bigint NOT NULL,
  CONSTRAINT account_pkey PRIMARY KEY (id),
  CONSTRAINT account_within_credit_allowance CHECK ((((credits_posted)::numeric + (credits_pending)::numeric) <= ((debits_posted)::numeric + (credit_allowance)::numeric))),
  CONSTRAINT account_within_debit_allowance CHECK ((((debits_posted)::numeric + (debits_pending)::numeric) <= ((credits_posted)::numeric + (debit_allowance)::numeric)))
) WITH (fillfactor=60);

CREATE TABLE account_closing (
  seq bigint NOT NULL,
  "time" bigint NOT NULL,
  account uuid NOT NULL,
  CONSTRAINT account_closed_once UNIQUE (account),
  CONSTRAINT account_closing_pkey PRIMARY KEY (seq)
);

CREATE TABLE account_day (
  account uuid NOT NULL,
  day bigint NOT NULL,
  debits_posted numeric NOT NULL,
  credits_posted numeric NOT NULL,
  debits_pending numeric NOT NULL,
  credits_pending numeric NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  CONSTRAINT account_day_pkey PRIMARY KEY (account, day)
) WITH (fillfactor=80);

CREATE TABLE account_day_watermark (
  singleton boolean NOT NULL DEFAULT true,
  seq bigint NOT NULL DEFAULT 0,
  CONSTRAINT account_day_watermark_pkey PRIMARY KEY (singleton),
  CONSTRAINT account_day_watermark_singleton_check CHECK (singleton)
);

CREATE TABLE allowance (
  user_id text NOT NULL,
  entity_type smallint NOT NULL,
  quota_per_day quota_units NOT NULL,
  version bigint NOT NULL,
  limit_before quota_units NOT NULL,
  changed_in xid8 NOT NULL,
  CONSTRAINT allowance_entity_type_fkey FOREIGN KEY (entity_type) REFERENCES quota_kind(id),
  CONSTRAINT allowance_pkey PRIMARY KEY (user_id, entity_type),
  CONSTRAINT allowance_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 128))),
  CONSTRAINT allowance_version_check CHECK ((version > 0))
) WITH (fillfactor=70);

CREATE TABLE asset (
  code text NOT NULL,
  scale smallint NOT NULL,
  transferable boolean NOT NULL,
  mintable boolean NOT NULL,
  supply_cap base_units,
  program text,
  backed boolean NOT NULL DEFAULT false,
  created_at bigint NOT NULL,
  CONSTRAINT asset_code_check CHECK ((code ~ '^[A-Z][A-Z0-9]{0,15}$'::text)),
  CONSTRAINT asset_pkey PRIMARY KEY (code),
  CONSTRAINT asset_scale_check CHECK (((scale >= 0) AND (scale <= 38))),
  CONSTRAINT asset_supply_cap_check CHECK (((supply_cap)::numeric > (0)::numeric))
);

CREATE TABLE asset_route (
  asset text NOT NULL,
  from_role text NOT NULL,
  to_role text NOT NULL,
  same_owner boolean NOT NULL,
  CONSTRAINT asset_route_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code),
  CONSTRAINT asset_route_pkey PRIMARY KEY (asset, from_role, to_role)
);

CREATE TABLE attestation (
  book integer NOT NULL,
  epoch bigint NOT NULL,
  header_hash evm_hash NOT NULL,
  attester evm_address NOT NULL,
  signature text NOT NULL,
  received_at bigint NOT NULL,
  CONSTRAINT attestation_book_fkey FOREIGN KEY (book) REFERENCES book(id),
  CONSTRAINT attestation_epoch_check CHECK ((epoch >= 1)),
  CONSTRAINT attestation_pkey PRIMARY KEY (header_hash, attester),
  CONSTRAINT attestation_signature_check CHECK ((signature ~ '^0x[0-9a-f]{130}$'::text))
);

CREATE TABLE book (
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  asset text NOT NULL,
  chain_id bigint NOT NULL,
  registry evm_address NOT NULL,
  token evm_address NOT NULL,
  custodians text[] NOT NULL,
  deployed_block bigint NOT NULL,
  challenge_window bigint,
  threshold integer,
  attesters text[],
  chain_time bigint,
  CONSTRAINT book_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code),
  CONSTRAINT book_chain_id_check CHECK ((chain_id > 0)),
  CONSTRAINT book_challenge_window_check CHECK ((challenge_window >= 0)),
  CONSTRAINT book_custodians_check CHECK ((cardinality(custodians) = 5)),
  CONSTRAINT book_deployed_block_check CHECK ((deployed_block >= 0)),
  CONSTRAINT book_pkey PRIMARY KEY (id),
  CONSTRAINT book_registry UNIQUE (chain_id, registry),
  CONSTRAINT book_rules CHECK ((((threshold IS NULL) = (attesters IS NULL)) AND ((threshold IS NULL) = (challenge_window IS NULL)) AND ((threshold IS NULL) = (chain_time IS NULL)))),
  CONSTRAINT book_threshold_check CHECK ((threshold >= 0))
);

CREATE TABLE chain_block (
  book integer NOT NULL,
  number bigint NOT NULL,
  hash evm_hash NOT NULL,
  CONSTRAINT chain_block_book_fkey FOREIGN KEY (book) REFERENCES book(id),
  CONSTRAINT chain_block_number_check CHECK ((number >= 0)),
  CONSTRAINT chain_block_pkey PRIMARY KEY (book, number)
);

CREATE TABLE chain_cursor (
  book integer NOT NULL,
  seen_block bigint NOT NULL,
  final_block bigint NOT NULL,
  final_time bigint NOT NULL DEFAULT 0,
  complete_time bigint NOT NULL DEFAULT 0,
  checked_block bigint NOT NULL,
  claimed base_units NOT NULL DEFAULT 0,
  latest_block bigint NOT NULL,
  looked_at_ms bigint NOT NULL,
  CONSTRAINT chain_cursor_book_fkey FOREIGN KEY (book) REFERENCES book(id),
  CONSTRAINT chain_cursor_order CHECK (((checked_block <= final_block) AND (final_block <= seen_block))),
  CONSTRAINT chain_cursor_pkey PRIMARY KEY (book),
  CONSTRAINT chain_cursor_seen_block_check CHECK ((seen_block >= '-1'::integer))
) WITH (fillfactor=50);

CREATE TABLE chain_entry (
  book integer NOT NULL,
  entry bigint NOT NULL,
  tx_hash evm_hash NOT NULL,
  log_index bigint NOT NULL,
  seq bigint NOT NULL,
  depositor evm_address NOT NULL,
  amount base_units NOT NULL,
  owner_id text,
  credited_as text NOT NULL,
  holding_id text,
  CONSTRAINT chain_entry_amount_check CHECK (((amount)::numeric > (0)::numeric)),
  CONSTRAINT chain_entry_book_fkey FOREIGN KEY (book) REFERENCES book(id),
  CONSTRAINT chain_entry_book_tx_hash_log_index_fkey FOREIGN KEY (book, tx_hash, log_index) REFERENCES chain_event(book, tx_hash, log_index),
  CONSTRAINT chain_entry_credited CHECK (((credited_as = 'nothing'::text) = (owner_id IS NULL))),
  CONSTRAINT chain_entry_credited_as_check CHECK ((credited_as = ANY (ARRAY['available'::text, 'lock'::text, 'stake'::text, 'reservation'::text, 'nothing'::text]))),
  CONSTRAINT chain_entry_entry_check CHECK ((entry >= 1)),
  CONSTRAINT chain_entry_holding CHECK (((credited_as = ANY (ARRAY['lock'::text, 'stake'::text, 'reservation'::text])) = (holding_id IS NOT NULL))),
  CONSTRAINT chain_entry_pkey PRIMARY KEY (book, entry),
  CONSTRAINT chain_entry_seq_key UNIQUE (seq)
);

CREATE TABLE chain_event (
  book integer NOT NULL,
  block bigint NOT NULL,
  block_hash evm_hash NOT NULL,
  block_time bigint NOT NULL,
  tx_hash evm_hash NOT NULL,
  log_index bigint NOT NULL,
  contract evm_address NOT NULL,
  event text NOT NULL,
  args jsonb NOT NULL,
  final boolean NOT NULL DEFAULT false,
  seq bigint,
  lost boolean NOT NULL DEFAULT false,
  CONSTRAINT chain_event_args_check CHECK ((jsonb_typeof(args) = 'object'::text)),
  CONSTRAINT chain_event_block_check CHECK ((block >= 0)),
  CONSTRAINT chain_event_book_fkey FOREIGN KEY (book) REFERENCES book(id),
  CONSTRAINT chain_event_line_when_final CHECK (((seq IS NULL) OR final)),
  CONSTRAINT chain_event_log_index_check CHECK ((log_index >= 0)),
  CONSTRAINT chain_event_lost_with_line CHECK (((seq IS NOT NULL) OR (NOT lost))),
  CONSTRAINT chain_event_pkey PRIMARY KEY (book, tx_hash, log_index)
) WITH (fillfactor=80);

CREATE TABLE chain_line (
  seq bigint NOT NULL,
  "time" bigint NOT NULL,
  chain_id bigint NOT NULL,
  registry bytea NOT NULL,
  block bigint NOT NULL,
  tx_hash bytea NOT NULL,
  log_index bigint NOT NULL,
  event text NOT NULL,
  account uuid,
  CONSTRAINT chain_line_account CHECK (((event = ANY (ARRAY['ExitDemanded'::text, 'DemandServed'::text])) = (account IS NOT NULL))),
  CONSTRAINT chain_line_block_check CHECK ((block >= 0)),
  CONSTRAINT chain_line_chain_id_check CHECK ((chain_id > 0)),
  CONSTRAINT chain_line_event_check CHECK ((event ~ '^[A-Z][A-Za-z]{0,63}$'::text)),
  CONSTRAINT chain_line_log_index_check CHECK ((log_index >= 0)),
  CONSTRAINT chain_line_once UNIQUE (chain_id, tx_hash, log_index),
  CONSTRAINT chain_line_pkey PRIMARY KEY (seq),
  CONSTRAINT chain_line_registry_check CHECK ((length(registry) = 20)),
  CONSTRAINT chain_line_tx_hash_check CHECK ((length(tx_hash) = 32))
);

CREATE TABLE epoch (
  book integer NOT NULL,
  number bigint NOT NULL,
  header jsonb NOT NULL,
  header_hash evm_hash NOT NULL,
  journal_size bigint NOT NULL,
  leaves_changed bigint NOT NULL,
  closed_at bigint NOT NULL,
  status text NOT NULL DEFAULT 'built'::text,
  CONSTRAINT epoch_book_fkey FOREIGN KEY (book) REFERENCES book(id),
  CONSTRAINT epoch_header_hash_key UNIQUE (header_hash),
  CONSTRAINT epoch_journal_size_check CHECK ((journal_size >= 0)),
  CONSTRAINT epoch_leaves_changed_check CHECK ((leaves_changed >= 0)),
  CONSTRAINT epoch_number_check CHECK ((number >= 1)),
  CONSTRAINT epoch_pkey PRIMARY KEY (book, number),
  CONSTRAINT epoch_status_check CHECK ((status = ANY (ARRAY['built'::text, 'sent'::text, 'committed'::text, 'final'::text, 'vetoed'::text, 'cancelled'::text])))
);

CREATE TABLE event (
  seq bigint NOT NULL,
  "time" bigint NOT NULL,
  type text NOT NULL,
  subject text,
  data jsonb NOT NULL,
  CONSTRAINT event_pkey PRIMARY KEY (seq)
);

CREATE TABLE exit_demand (
  book integer NOT NULL,
  section smallint NOT NULL,
  index bigint NOT NULL,
  seq bigint NOT NULL,
  account uuid NOT NULL,
  key evm_hash NOT NULL,
  owner evm_address NOT NULL,
  amount base_units NOT NULL,
  due bigint NOT NULL,
  block bigint NOT NULL,
  swept base_units NOT NULL DEFAULT 0,
  swept_at bigint,
  swept_seq bigint,
  served_at bigint,
  served_seq bigint,
  CONSTRAINT exit_demand_book_fkey FOREIGN KEY (book) REFERENCES book(id),
  CONSTRAINT exit_demand_index_check CHECK ((index >= 0)),
  CONSTRAINT exit_demand_pkey PRIMARY KEY (book, section, index, seq),
  CONSTRAINT exit_demand_section_check CHECK (((section >= 0) AND (section <= 3))),
  CONSTRAINT exit_demand_seq_key UNIQUE (seq),
  CONSTRAINT exit_demand_served CHECK ((((served_at IS NULL) = (served_seq IS NULL)) AND (served_seq > seq))),
  CONSTRAINT exit_demand_swept CHECK ((((swept_at IS NULL) = (swept_seq IS NULL)) AND (((swept)::numeric = (0)::numeric) OR (swept_at >= due))))
) WITH (fillfactor=80);

CREATE TABLE failed_transfer (
  id uuid NOT NULL,
  code text NOT NULL,
  "time" bigint NOT NULL,
  CONSTRAINT failed_transfer_pkey PRIMARY KEY (id)
);

CREATE TABLE hold (
  transfer_id uuid NOT NULL,
  seq bigint NOT NULL,
  debit_account uuid NOT NULL,
  credit_account uuid NOT NULL,
  asset text NOT NULL,
  amount base_units NOT NULL,
  expires_at bigint,
  CONSTRAINT hold_pkey PRIMARY KEY (transfer_id)
);

CREATE TABLE idempotency (
  principal text NOT NULL,
  key text NOT NULL,
  fingerprint bytea NOT NULL,
  outcome json NOT NULL,
  "time" bigint NOT NULL,
  CONSTRAINT idempotency_fingerprint_check CHECK ((length(fingerprint) = 32)),
  CONSTRAINT idempotency_pkey PRIMARY KEY (principal, key)
);

CREATE TABLE inter_ledger_arrival (
  from_ledger_id uuid NOT NULL,
  transfer_id uuid NOT NULL,
  line_id uuid,
  refusal text,
  decided_at bigint NOT NULL,
  CONSTRAINT inter_ledger_arrival_pkey PRIMARY KEY (from_ledger_id, transfer_id),
  CONSTRAINT inter_ledger_decided CHECK (((line_id IS NULL) <> (refusal IS NULL)))
);

CREATE TABLE inter_ledger_transfer (
  id uuid NOT NULL,
  seq bigint NOT NULL,
  from_account uuid NOT NULL,
  to_ledger_id uuid NOT NULL,
  to_ledger text NOT NULL,
  to_account uuid NOT NULL,
  asset text NOT NULL,
  amount base_units NOT NULL,
  reference text,
  state text NOT NULL,
  arrival_id uuid,
  reason text,
  sent_at bigint NOT NULL,
  resolved_at bigint,
  CONSTRAINT inter_ledger_posted CHECK (((state = 'posted'::text) = (arrival_id IS NOT NULL))),
  CONSTRAINT inter_ledger_resolved CHECK (((state = 'pending'::text) = (resolved_at IS NULL))),
  CONSTRAINT inter_ledger_transfer_amount_check CHECK (((amount)::numeric > (0)::numeric)),
  CONSTRAINT inter_ledger_transfer_pkey PRIMARY KEY (id),
  CONSTRAINT inter_ledger_transfer_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'posted'::text, 'voided'::text]))),
  CONSTRAINT inter_ledger_voided CHECK (((state = 'voided'::text) = (reason IS NOT NULL)))
) WITH (fillfactor=80);

CREATE TABLE journal_head (
  singleton boolean NOT NULL DEFAULT true,
  next_seq bigint NOT NULL DEFAULT 0,
  next_event bigint NOT NULL DEFAULT 1,
  "time" bigint NOT NULL DEFAULT 0,
  clock_offset bigint NOT NULL DEFAULT 0,
  last_batch uuid,
  previous_batch uuid,
  CONSTRAINT journal_head_clock_offset_check CHECK ((clock_offset >= 0)),
  CONSTRAINT journal_head_pkey PRIMARY KEY (singleton),
  CONSTRAINT journal_head_singleton_check CHECK (singleton)
) WITH (fillfactor=10);

CREATE TABLE leaf (
  book integer NOT NULL,
  section smallint NOT NULL,
  index bigint NOT NULL,
  epoch bigint NOT NULL,
  owner bytea NOT NULL,
  key bytea NOT NULL,
  amount base_units NOT NULL,
  valid_until bigint NOT NULL,
  kind bigint NOT NULL,
  quantity bigint NOT NULL,
  CONSTRAINT leaf_index_check CHECK ((index >= 0)),
  CONSTRAINT leaf_key_check CHECK ((length(key) = 32)),
  CONSTRAINT leaf_owner_check CHECK ((length(owner) = 20)),
  CONSTRAINT leaf_pkey PRIMARY KEY (book, section, index, epoch),
  CONSTRAINT leaf_section_check CHECK (((section >= 0) AND (section <= 4)))
);

CREATE TABLE leaf_page (
  book integer NOT NULL,
  epoch bigint NOT NULL,
  section smallint NOT NULL,
  first bigint NOT NULL,
  indexes bigint[] NOT NULL,
  CONSTRAINT leaf_epoch_is_closed FOREIGN KEY (book, epoch) REFERENCES epoch(book, number) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT leaf_page_indexes_check CHECK (((cardinality(indexes) >= 1) AND (cardinality(indexes) <= 1024))),
  CONSTRAINT leaf_page_pkey PRIMARY KEY (book, epoch, section, first)
);

CREATE TABLE ledger_identity (
  singleton boolean NOT NULL DEFAULT true,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  account_secret bytea NOT NULL,
  CONSTRAINT ledger_identity_account_secret_check CHECK ((length(account_secret) = 32)),
  CONSTRAINT ledger_identity_pkey PRIMARY KEY (singleton),
  CONSTRAINT ledger_identity_singleton_check CHECK (singleton)
);

CREATE TABLE log_checkpoint (
  size bigint NOT NULL,
  root bytea NOT NULL,
  note text NOT NULL,
  verifier_key text NOT NULL,
  signed_at bigint NOT NULL,
  CONSTRAINT log_checkpoint_pkey PRIMARY KEY (size),
  CONSTRAINT log_checkpoint_root_check CHECK ((length(root) = 32)),
  CONSTRAINT log_checkpoint_size_check CHECK ((size > 0))
);

CREATE TABLE log_cosignature (
  size bigint NOT NULL,
  name text NOT NULL,
  key_id bytea NOT NULL,
  "time" bigint NOT NULL,
  line text NOT NULL,
  CONSTRAINT log_cosignature_key_id_check CHECK ((length(key_id) = 4)),
  CONSTRAINT log_cosignature_line_check CHECK ((length(line) <= 512)),
  CONSTRAINT log_cosignature_name_check CHECK (((length(name) >= 1) AND (length(name) <= 255))),
  CONSTRAINT log_cosignature_pkey PRIMARY KEY (size, name, key_id),
  CONSTRAINT log_cosignature_size_fkey FOREIGN KEY (size) REFERENCES log_checkpoint(size),
  CONSTRAINT log_cosignature_time_check CHECK (("time" >= 0))
);

CREATE TABLE log_tile (
  level smallint NOT NULL,
  index bigint NOT NULL,
  hashes bytea NOT NULL,
  CONSTRAINT log_tile_hashes_check CHECK ((((length(hashes) >= 32) AND (length(hashes) <= 8192)) AND ((length(hashes) % 32) = 0))),
  CONSTRAINT log_tile_index_check CHECK ((index >= 0)),
  CONSTRAINT log_tile_level_check CHECK (((level >= 0) AND (level <= 7))),
  CONSTRAINT log_tile_pkey PRIMARY KEY (level, index)
);

CREATE TABLE migration (
  id integer NOT NULL DEFAULT nextval('migration_id_seq'::regclass),
  "timestamp" bigint NOT NULL,
  name character varying NOT NULL,
  CONSTRAINT PK_3043fc6b8af7c99b8b98830094f PRIMARY KEY (id)
);

CREATE TABLE outbox (
  book integer NOT NULL,
  epoch bigint NOT NULL,
  kind text NOT NULL,
  calldata text,
  tx_hash evm_hash,
  block_number bigint,
  block_hash evm_hash,
  block_time bigint,
  gas_used bigint,
  CONSTRAINT outbox_book_epoch_fkey FOREIGN KEY (book, epoch) REFERENCES epoch(book, number),
  CONSTRAINT outbox_calldata CHECK (((kind = 'commit'::text) = (calldata IS NOT NULL))),
  CONSTRAINT outbox_calldata_check CHECK ((calldata ~ '^0x([0-9a-f]{2})+$'::text)),
  CONSTRAINT outbox_kind_check CHECK ((kind = ANY (ARRAY['commit'::text, 'finalize'::text]))),
  CONSTRAINT outbox_mined CHECK ((((tx_hash IS NULL) = (block_number IS NULL)) AND ((tx_hash IS NULL) = (block_hash IS NULL)))),
  CONSTRAINT outbox_pkey PRIMARY KEY (book, epoch, kind)
);

CREATE TABLE owner (
  id text NOT NULL,
  salt bytea NOT NULL,
  wallet_address bytea,
  created_at bigint NOT NULL,
  CONSTRAINT owner_id_check CHECK (((length(id) >= 1) AND (length(id) <= 128))),
  CONSTRAINT owner_pkey PRIMARY KEY (id),
  CONSTRAINT owner_salt_check CHECK ((length(salt) = 32)),
  CONSTRAINT owner_wallet_address_check CHECK ((length(wallet_address) = 20))
);

CREATE TABLE owner_wallet (
  owner text NOT NULL,
  asset text NOT NULL,
  wallet bytea NOT NULL,
  proof bytea NOT NULL,
  CONSTRAINT owner_wallet_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code),
  CONSTRAINT owner_wallet_owner_fkey FOREIGN KEY (owner) REFERENCES owner(id),
  CONSTRAINT owner_wallet_pkey PRIMARY KEY (owner, asset),
  CONSTRAINT owner_wallet_proof_check CHECK (((length(proof) >= 1) AND (length(proof) <= 4096))),
  CONSTRAINT owner_wallet_wallet_check CHECK (((length(wallet) = 20) AND (wallet <> '\x0000000000000000000000000000000000000000'::bytea)))
) WITH (fillfactor=80);

CREATE TABLE position (
  account uuid NOT NULL,
  asset text NOT NULL,
  section smallint NOT NULL,
  index bigint NOT NULL,
  key bytea NOT NULL,
  owner bytea NOT NULL,
  valid_until bigint NOT NULL,
  kind bigint NOT NULL,
  quantity bigint NOT NULL,
  seq bigint NOT NULL,
  CONSTRAINT position_index UNIQUE (asset, section, index),
  CONSTRAINT position_key UNIQUE (asset, section, key),
  CONSTRAINT position_pkey PRIMARY KEY (account)
) WITH (fillfactor=80);

CREATE TABLE position_change (
  seq bigint NOT NULL,
  "time" bigint NOT NULL,
  account uuid NOT NULL,
  asset text NOT NULL,
  section smallint NOT NULL,
  index bigint NOT NULL,
  key bytea NOT NULL,
  owner bytea NOT NULL,
  valid_until bigint NOT NULL,
  kind bigint NOT NULL,
  quantity bigint NOT NULL,
  signatures jsonb,
  CONSTRAINT position_change_key_check CHECK ((length(key) = 32)),
  CONSTRAINT position_change_kind_check CHECK (((kind >= 0) AND (kind <= '4294967295'::bigint))),
  CONSTRAINT position_change_owner_check CHECK ((length(owner) = 20)),
  CONSTRAINT position_change_pkey PRIMARY KEY (seq),
  CONSTRAINT position_change_quantity_check CHECK (((quantity >= 0) AND (quantity <= '4294967295'::bigint))),
  CONSTRAINT position_change_section_check CHECK (((section >= 0) AND (section <= 4))),
  CONSTRAINT position_change_signatures_check CHECK (((jsonb_typeof(signatures) = 'array'::text) AND ((jsonb_array_length(signatures) >= 1) AND (jsonb_array_length(signatures) <= 16)))),
  CONSTRAINT position_change_valid_until_check CHECK ((valid_until >= 0))
);

CREATE TABLE quota_hold (
  id text NOT NULL,
  user_id text NOT NULL,
  entity_type smallint NOT NULL,
  day integer NOT NULL,
  units quota_units NOT NULL,
  reference text,
  created_by text NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  status text NOT NULL,
  committed quota_units,
  ended_at bigint,
  CONSTRAINT quota_hold_day CHECK ((day = (created_at / 86400))),
  CONSTRAINT quota_hold_entity_type_fkey FOREIGN KEY (entity_type) REFERENCES quota_kind(id),
  CONSTRAINT quota_hold_id_check CHECK (((length(id) >= 1) AND (length(id) <= 64))),
  CONSTRAINT quota_hold_pkey PRIMARY KEY (id),
  CONSTRAINT quota_hold_reference_check CHECK (((length(reference) >= 1) AND (length(reference) <= 128))),
  CONSTRAINT quota_hold_state CHECK ((((status = 'open'::text) = (ended_at IS NULL)) AND ((status = 'committed'::text) = (committed IS NOT NULL)))),
  CONSTRAINT quota_hold_status_check CHECK ((status = ANY (ARRAY['open'::text, 'committed'::text, 'released'::text, 'expired'::text]))),
  CONSTRAINT quota_hold_times CHECK (((expires_at > created_at) AND (ended_at >= created_at) AND
CASE status
    WHEN 'expired'::text THEN (ended_at >= expires_at)
    WHEN 'open'::text THEN true
    ELSE (ended_at < expires_at)
END)),
  CONSTRAINT quota_hold_units_check CHECK (((units)::bigint > 0)),
  CONSTRAINT quota_hold_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 128)))
) WITH (fillfactor=80);

CREATE TABLE quota_kind (
  id smallint NOT NULL,
  name text NOT NULL,
  default_per_day quota_units NOT NULL,
  thresholds smallint[] NOT NULL DEFAULT '{50,80,100}'::smallint[],
  CONSTRAINT quota_kind_id_check CHECK ((id > 0)),
  CONSTRAINT quota_kind_name_check CHECK ((name ~ '^[a-z][a-z0-9_]{0,31}$'::text)),
  CONSTRAINT quota_kind_name_key UNIQUE (name),
  CONSTRAINT quota_kind_pkey PRIMARY KEY (id),
  CONSTRAINT quota_kind_thresholds CHECK (((cardinality(thresholds) <= 10) AND (1 <= ALL (thresholds)) AND (100 >= ALL (thresholds)) AND (array_position(thresholds, NULL::smallint) IS NULL)))
);

CREATE TABLE section_count (
  asset text NOT NULL,
  section smallint NOT NULL,
  count bigint NOT NULL DEFAULT 0,
  CONSTRAINT section_count_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code),
  CONSTRAINT section_count_pkey PRIMARY KEY (asset, section),
  CONSTRAINT section_count_section_check CHECK (((section >= 0) AND (section <= 4)))
) WITH (fillfactor=20);

CREATE TABLE settlement_tx (
  hash evm_hash NOT NULL,
  book integer NOT NULL,
  kind text NOT NULL,
  subject text NOT NULL,
  epoch bigint NOT NULL,
  sender evm_address NOT NULL,
  nonce bigint NOT NULL,
  max_fee_per_gas numeric(39,0) NOT NULL,
  max_priority_fee_per_gas numeric(39,0) NOT NULL,
  raw text NOT NULL,
  signed_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT settlement_tx_book_fkey FOREIGN KEY (book) REFERENCES book(id),
  CONSTRAINT settlement_tx_kind_check CHECK ((kind = ANY (ARRAY['commit'::text, 'finalize'::text, 'serve'::text]))),
  CONSTRAINT settlement_tx_nonce_check CHECK ((nonce >= 0)),
  CONSTRAINT settlement_tx_pkey PRIMARY KEY (hash),
  CONSTRAINT settlement_tx_raw_check CHECK ((raw ~ '^0x([0-9a-f]{2})+$'::text)),
  CONSTRAINT settlement_tx_subject_check CHECK (((length(subject) >= 1) AND (length(subject) <= 200)))
);

CREATE TABLE transfer (
  seq bigint NOT NULL,
  id uuid NOT NULL,
  debit_account uuid NOT NULL,
  credit_account uuid NOT NULL,
  asset text NOT NULL,
  amount base_units NOT NULL,
  code text NOT NULL,
  phase text NOT NULL,
  pending_id uuid,
  expires_at bigint,
  effective_at bigint NOT NULL,
  "time" bigint NOT NULL,
  reference text,
  metadata jsonb,
  requested_members smallint NOT NULL DEFAULT 0,
  requested_amount base_units,
  CONSTRAINT transfer_accounts_differ CHECK ((debit_account <> credit_account)),
  CONSTRAINT transfer_amount_check CHECK (((amount)::numeric > (0)::numeric)),
  CONSTRAINT transfer_code_check CHECK (((length(code) >= 1) AND (length(code) <= 64))),
  CONSTRAINT transfer_effective_not_in_the_future CHECK (((effective_at >= 0) AND (effective_at <= "time"))),
  CONSTRAINT transfer_expires_later CHECK ((expires_at > "time")),
  CONSTRAINT transfer_pending_members CHECK ((((phase = ANY (ARRAY['post'::text, 'void'::text, 'expire'::text])) = (pending_id IS NOT NULL)) AND ((expires_at IS NULL) OR (phase = 'pending'::text)))),
  CONSTRAINT transfer_phase_check CHECK ((phase = ANY (ARRAY['single'::text, 'pending'::text, 'post'::text, 'void'::text, 'expire'::text]))),
  CONSTRAINT transfer_pkey PRIMARY KEY (seq)
);

CREATE TABLE usage (
  user_id text NOT NULL,
  entity_type smallint NOT NULL,
  day integer NOT NULL,
  used quota_units NOT NULL,
  held quota_units NOT NULL,
  version bigint NOT NULL,
  next_expiry bigint,
  told smallint NOT NULL DEFAULT 0,
  CONSTRAINT usage_day_check CHECK ((day >= 0)),
  CONSTRAINT usage_next_expiry CHECK ((((held)::bigint = 0) = (next_expiry IS NULL))),
  CONSTRAINT usage_pkey PRIMARY KEY (user_id, entity_type, day),
  CONSTRAINT usage_told_check CHECK (((told >= 0) AND (told <= 100))),
  CONSTRAINT usage_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 128))),
  CONSTRAINT usage_version_check CHECK ((version > 0))
) WITH (fillfactor=60);

CREATE TABLE usage_hour (
  user_id text NOT NULL,
  entity_type smallint NOT NULL,
  hour integer NOT NULL,
  used quota_units NOT NULL,
  CONSTRAINT usage_hour_pkey PRIMARY KEY (user_id, entity_type, hour)
) WITH (fillfactor=60);

CREATE TABLE vetoed_epoch (
  header_hash evm_hash NOT NULL,
  book integer NOT NULL,
  number bigint NOT NULL,
  header jsonb NOT NULL,
  journal_size bigint NOT NULL,
  leaves_changed bigint NOT NULL,
  closed_at bigint NOT NULL,
  released_at bigint NOT NULL,
  CONSTRAINT vetoed_epoch_book_fkey FOREIGN KEY (book) REFERENCES book(id),
  CONSTRAINT vetoed_epoch_pkey PRIMARY KEY (header_hash)
);

CREATE TABLE wallet_owner (
  wallet wallet_bytes NOT NULL,
  user_id text NOT NULL,
  bound_at bigint NOT NULL,
  linked_at bigint,
  CONSTRAINT wallet_owner_pkey PRIMARY KEY (wallet),
  CONSTRAINT wallet_owner_user UNIQUE (wallet, user_id),
  CONSTRAINT wallet_owner_user_id_fkey FOREIGN KEY (user_id) REFERENCES owner(id)
);

CREATE TABLE wallet_used (
  asset text NOT NULL,
  wallet wallet_bytes NOT NULL,
  user_id text NOT NULL,
  since bigint NOT NULL,
  CONSTRAINT wallet_used_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code),
  CONSTRAINT wallet_used_owns FOREIGN KEY (wallet, user_id) REFERENCES wallet_owner(wallet, user_id),
  CONSTRAINT wallet_used_pkey PRIMARY KEY (asset, wallet)
);

CREATE TABLE wallet_user (
  user_id text NOT NULL,
  asset text NOT NULL,
  key bytea NOT NULL,
  number bigint NOT NULL,
  wallet wallet_bytes NOT NULL,
  linked_by bigint NOT NULL,
  linked_at bigint NOT NULL,
  carried boolean NOT NULL,
  announced_wallet wallet_bytes,
  announced_number bigint,
  announced_at bigint,
  announcement text,
  CONSTRAINT wallet_user_announced CHECK ((((announced_wallet IS NULL) = (announced_number IS NULL)) AND ((announced_wallet IS NULL) = (announced_at IS NULL)) AND ((announced_wallet IS NULL) = (announcement IS NULL)) AND ((announced_wallet)::bytea <> (wallet)::bytea) AND (announced_number <= number) AND (announced_number > linked_by))),
  CONSTRAINT wallet_user_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code),
  CONSTRAINT wallet_user_check CHECK (((linked_by >= 1) AND (linked_by <= number))),
  CONSTRAINT wallet_user_key UNIQUE (asset, key),
  CONSTRAINT wallet_user_key_check CHECK ((length(key) = 32)),
  CONSTRAINT wallet_user_number_check CHECK ((number >= 1)),
  CONSTRAINT wallet_user_owns FOREIGN KEY (wallet, user_id) REFERENCES wallet_owner(wallet, user_id),
  CONSTRAINT wallet_user_owns_announced FOREIGN KEY (announced_wallet, user_id) REFERENCES wallet_owner(wallet, user_id),
  CONSTRAINT wallet_user_pkey PRIMARY KEY (user_id, asset)
) WITH (fillfactor=80);

CREATE TABLE webhook (
  id text NOT NULL,
  url text NOT NULL,
  types text[],
  created_by text NOT NULL,
  created_at bigint NOT NULL,
  replays integer NOT NULL DEFAULT 0,
  replay_from bigint,
  deleted_at bigint,
  CONSTRAINT webhook_pkey PRIMARY KEY (id),
  CONSTRAINT webhook_replay_from CHECK (((replays = 0) = (replay_from IS NULL))),
  CONSTRAINT webhook_replay_from_check CHECK ((replay_from >= 1)),
  CONSTRAINT webhook_types_check CHECK (((cardinality(types) >= 1) AND (cardinality(types) <= 32))),
  CONSTRAINT webhook_url_check CHECK (((length(url) >= 1) AND (length(url) <= 2048)))
);

CREATE TABLE webhook_dead_letter (
  webhook text NOT NULL,
  seq bigint NOT NULL,
  attempts integer NOT NULL,
  error text NOT NULL,
  died_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT webhook_dead_letter_pkey PRIMARY KEY (webhook, seq),
  CONSTRAINT webhook_dead_letter_webhook_fkey FOREIGN KEY (webhook) REFERENCES webhook(id)
);

CREATE TABLE webhook_delivery (
  webhook text NOT NULL,
  after_seq bigint NOT NULL,
  replays integer NOT NULL DEFAULT 0,
  delivered_seq bigint,
  delivered_at timestamp with time zone,
  attempts integer NOT NULL DEFAULT 0,
  failures integer NOT NULL DEFAULT 0,
  failing_since timestamp with time zone,
  last_error text,
  next_attempt_at timestamp with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone,
  lease uuid,
  lease_until timestamp with time zone,
  CONSTRAINT webhook_delivery_after_seq_check CHECK ((after_seq >= 0)),
  CONSTRAINT webhook_delivery_pkey PRIMARY KEY (webhook),
  CONSTRAINT webhook_delivery_webhook_fkey FOREIGN KEY (webhook) REFERENCES webhook(id)
) WITH (fillfactor=20);

CREATE TABLE webhook_secret (
  webhook text NOT NULL,
  secret text NOT NULL DEFAULT ('whsec_'::text || encode(sha256(((uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) || uuid_send(gen_random_uuid()))), 'hex'::text)),
  CONSTRAINT webhook_secret_pkey PRIMARY KEY (webhook),
  CONSTRAINT webhook_secret_webhook_fkey FOREIGN KEY (webhook) REFERENCES webhook(id)
);

CREATE TABLE withdrawal (
  id text NOT NULL,
  place bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  user_id text NOT NULL,
  asset text NOT NULL,
  account uuid NOT NULL,
  transfer uuid NOT NULL,
  wallet wallet_bytes NOT NULL,
  amount base_units NOT NULL,
  total base_units NOT NULL,
  created_at bigint NOT NULL,
  CONSTRAINT withdrawal_amount_check CHECK (((amount)::numeric > (0)::numeric)),
  CONSTRAINT withdrawal_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code),
  CONSTRAINT withdrawal_check CHECK (((total)::numeric >= (amount)::numeric)),
  CONSTRAINT withdrawal_id_check CHECK ((id ~ '^wd_[0-9a-f]{32}$'::text)),
  CONSTRAINT withdrawal_pkey PRIMARY KEY (id),
  CONSTRAINT withdrawal_total UNIQUE (account, total),
  CONSTRAINT withdrawal_transfer_key UNIQUE (transfer),
  CONSTRAINT withdrawal_user_id_fkey FOREIGN KEY (user_id) REFERENCES owner(id)
);

CREATE TABLE writer (
  id uuid NOT NULL,
  last_batch uuid NOT NULL,
  CONSTRAINT writer_pkey PRIMARY KEY (id)
) WITH (fillfactor=10);

CREATE UNIQUE INDEX access_lock_active ON ledger.access_lock USING btree (agreement_id) WHERE (status = 'locked'::text);

CREATE INDEX access_lock_agreement ON ledger.access_lock USING btree (agreement_id, place DESC);

CREATE INDEX access_lock_due ON ledger.access_lock USING btree (locked_until, id) WHERE (status = 'locked'::text);

CREATE INDEX access_lock_of_user ON ledger.access_lock USING btree (user_id, created_at DESC, id DESC) WHERE (status = 'locked'::text);

CREATE INDEX access_reservation_due ON ledger.access_reservation USING btree (reserved_until, id) WHERE (status = 'reserved'::text);

CREATE INDEX access_reservation_of_account ON ledger.access_reservation USING btree (account, id) WHERE (status = 'reserved'::text);

CREATE UNIQUE INDEX access_stake_active ON ledger.access_stake USING btree (user_id, strategy_id) WHERE (status = 'staked'::text);

CREATE INDEX access_stake_due ON ledger.access_stake USING btree (expires_at, id) WHERE (status = 'staked'::text);

CREATE INDEX access_stake_of_strategy ON ledger.access_stake USING btree (user_id, strategy_id, place DESC);

CREATE INDEX access_stake_of_user ON ledger.access_stake USING btree (user_id, created_at DESC, id DESC) WHERE (status = 'staked'::text);

CREATE INDEX access_stake_tier ON ledger.access_stake USING btree (user_id, tier, expires_at) WHERE (status = 'staked'::text);

CREATE INDEX account_clearing ON ledger.account USING btree (reference, asset) WHERE (role = 'clearing'::text);

CREATE INDEX account_owner ON ledger.account USING btree (owner, asset, role, id) WHERE (owner IS NOT NULL);

CREATE INDEX account_reference ON ledger.account USING btree (reference, id) WHERE (reference IS NOT NULL);

CREATE UNIQUE INDEX account_system ON ledger.account USING btree (asset, role) WHERE (role = ANY (ARRAY['treasury'::text, 'issuance'::text, 'custody'::text, 'revenue'::text, 'burned'::text]));

CREATE INDEX chain_entry_line ON ledger.chain_entry USING btree (book, seq);

CREATE INDEX chain_entry_of_depositor ON ledger.chain_entry USING btree (book, depositor, entry);

CREATE INDEX chain_event_entry_of ON ledger.chain_event USING btree (book, ((args ->> 'depositor'::text)), block, log_index) WHERE (event = 'EntryMade'::text);

CREATE INDEX chain_event_kind ON ledger.chain_event USING btree (book, event, block, log_index);

CREATE UNIQUE INDEX chain_event_line ON ledger.chain_event USING btree (seq) WHERE (seq IS NOT NULL);

CREATE INDEX chain_event_lost ON ledger.chain_event USING btree (book) WHERE lost;

CREATE INDEX chain_event_open ON ledger.chain_event USING btree (book, block, log_index) WHERE (NOT final);

CREATE INDEX chain_event_place ON ledger.chain_event USING btree (book, block, log_index);

CREATE INDEX chain_line_of_account ON ledger.chain_line USING btree (account, seq) WHERE (account IS NOT NULL);

CREATE INDEX epoch_journal_size ON ledger.epoch USING btree (book, journal_size);

CREATE INDEX epoch_unsettled ON ledger.epoch USING btree (book, number) WHERE (status <> ALL (ARRAY['final'::text, 'cancelled'::text]));

CREATE INDEX event_subject ON ledger.event USING btree (subject, seq) WHERE (subject IS NOT NULL);

CREATE INDEX exit_demand_due ON ledger.exit_demand USING btree (book, due, seq) WHERE (served_at IS NULL);

CREATE UNIQUE INDEX exit_demand_open ON ledger.exit_demand USING btree (book, section, index) WHERE (served_at IS NULL);

CREATE INDEX hold_debit_account ON ledger.hold USING btree (debit_account);

CREATE INDEX hold_due ON ledger.hold USING btree (expires_at, seq) WHERE (expires_at IS NOT NULL);

CREATE INDEX inter_ledger_pending ON ledger.inter_ledger_transfer USING btree (to_ledger_id, seq) WHERE (state = 'pending'::text);

CREATE UNIQUE INDEX inter_ledger_seq ON ledger.inter_ledger_transfer USING btree (seq);

CREATE INDEX inter_ledger_state ON ledger.inter_ledger_transfer USING btree (state, seq);

CREATE VIEW line_effect AS
 SELECT t.seq,
    t.debit_account AS account,
    t.effective_at AS at,
        CASE
            WHEN (t.phase = 'pending'::text) THEN (0)::numeric
            ELSE (t.amount)::numeric
        END AS debits_posted,
    (0)::numeric AS credits_posted,
        CASE
            WHEN (t.phase = 'pending'::text) THEN (t.amount)::numeric
            ELSE (0)::numeric
        END AS debits_pending,
    (0)::numeric AS credits_pending
   FROM transfer t
  WHERE (t.phase = ANY (ARRAY['single'::text, 'post'::text, 'pending'::text]))
UNION ALL
 SELECT t.seq,
    t.credit_account AS account,
    t.effective_at AS at,
    0 AS debits_posted,
        CASE
            WHEN (t.phase = 'pending'::text) THEN (0)::numeric
            ELSE (t.amount)::numeric
        END AS credits_posted,
    0 AS debits_pending,
        CASE
            WHEN (t.phase = 'pending'::text) THEN (t.amount)::numeric
            ELSE (0)::numeric
        END AS credits_pending
   FROM transfer t
  WHERE (t.phase = ANY (ARRAY['single'::text, 'post'::text, 'pending'::text]))
UNION ALL
 SELECT r.seq,
    r.debit_account AS account,
    GREATEST(p.effective_at, LEAST(r.effective_at, p.expires_at)) AS at,
    0 AS debits_posted,
    0 AS credits_posted,
    (- (p.amount)::numeric) AS debits_pending,
    0 AS credits_pending
   FROM (transfer r
     JOIN transfer p ON ((p.id = r.pending_id)))
  WHERE (r.pending_id IS NOT NULL)
UNION ALL
 SELECT r.seq,
    r.credit_account AS account,
    GREATEST(p.effective_at, LEAST(r.effective_at, p.expires_at)) AS at,
    0 AS debits_posted,
    0 AS credits_posted,
    0 AS debits_pending,
    (- (p.amount)::numeric) AS credits_pending
   FROM (transfer r
     JOIN transfer p ON ((p.id = r.pending_id)))
  WHERE (r.pending_id IS NOT NULL);

CREATE INDEX outbox_incomplete ON ledger.outbox USING btree (book, epoch, kind) WHERE ((tx_hash IS NOT NULL) AND (gas_used IS NULL));

CREATE INDEX outbox_mined_at ON ledger.outbox USING btree (book, block_number) WHERE (tx_hash IS NOT NULL);

CREATE INDEX outbox_open ON ledger.outbox USING btree (book, epoch, kind) WHERE (tx_hash IS NULL);

CREATE INDEX position_change_account ON ledger.position_change USING btree (account, seq);

CREATE INDEX quota_hold_due ON ledger.quota_hold USING btree (expires_at) WHERE (status = 'open'::text);

CREATE INDEX quota_hold_open ON ledger.quota_hold USING btree (user_id, entity_type, day) WHERE (status = 'open'::text);

CREATE INDEX settlement_tx_action ON ledger.settlement_tx USING btree (book, kind, subject, nonce);

CREATE INDEX settlement_tx_nonce ON ledger.settlement_tx USING btree (sender, nonce);

CREATE INDEX transfer_credit_account ON ledger.transfer USING btree (credit_account, seq);

CREATE INDEX transfer_debit_account ON ledger.transfer USING btree (debit_account, seq);

CREATE UNIQUE INDEX transfer_id ON ledger.transfer USING btree (id);

CREATE INDEX transfer_reference ON ledger.transfer USING btree (reference, seq) WHERE (reference IS NOT NULL);

CREATE UNIQUE INDEX transfer_resolved_once ON ledger.transfer USING btree (pending_id) WHERE (pending_id IS NOT NULL);

CREATE INDEX vetoed_epoch_number ON ledger.vetoed_epoch USING btree (book, number);

CREATE INDEX wallet_owner_of_user ON ledger.wallet_owner USING btree (user_id, bound_at, wallet);

CREATE INDEX wallet_user_not_carried ON ledger.wallet_user USING btree (asset, user_id) WHERE (NOT carried);

CREATE INDEX wallet_user_waiting ON ledger.wallet_user USING btree (asset, announced_at, user_id) WHERE (announced_number IS NOT NULL);

CREATE INDEX withdrawal_of_user ON ledger.withdrawal USING btree (user_id, asset, place DESC);

CREATE OR REPLACE FUNCTION ledger.account_effects(of_account uuid, from_seq bigint, until_seq bigint)
 RETURNS TABLE(at bigint, debits_posted numeric, credits_posted numeric, debits_pending numeric, credits_pending numeric)
 LANGUAGE sql
 STABLE
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
  SELECT e.at, e.debits_posted, e.credits_posted, e.debits_pending, e.credits_pending
  FROM line_effect e WHERE e.account = of_account AND e.seq >= from_seq AND e.seq < until_seq
$function$
;

CREATE OR REPLACE FUNCTION ledger.advance_account_days(most bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
 SET jit TO 'off'
AS $function$
DECLARE from_seq bigint; until_seq bigint;
BEGIN
  SELECT seq INTO from_seq FROM account_day_watermark FOR UPDATE;
  -- Whatever is below the head's next place is committed, and so seen by the statements after this one.
  SELECT least(next_seq, from_seq + most) INTO until_seq FROM journal_head;
  IF until_seq <= from_seq THEN RETURN 0; END IF;
  INSERT INTO account_day AS d (account, day, debits_posted, credits_posted, debits_pending, credits_pending,
    first_seq, last_seq)
  SELECT account, at / 86400, sum(debits_posted), sum(credits_posted), sum(debits_pending), sum(credits_pending),
    min(seq), max(seq)
  FROM line_effect WHERE seq >= from_seq AND seq < until_seq
  GROUP BY account, at / 86400
  ON CONFLICT (account, day) DO UPDATE
    SET debits_posted = d.debits_posted + excluded.debits_posted,
      credits_posted = d.credits_posted + excluded.credits_posted,
      debits_pending = d.debits_pending + excluded.debits_pending,
      credits_pending = d.credits_pending + excluded.credits_pending,
      last_seq = excluded.last_seq;
  UPDATE account_day_watermark SET seq = until_seq;
  RETURN until_seq - from_seq;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.advance_clock(seconds bigint)
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
  UPDATE journal_head h SET clock_offset = h.clock_offset + seconds RETURNING h.clock_offset
$function$
;

CREATE OR REPLACE FUNCTION ledger.append_events(types text[], subjects text[], details jsonb[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
DECLARE first_event bigint; now bigint; n bigint := cardinality(types);
BEGIN
  IF 'journal.appended' = ANY (types) THEN
    RAISE EXCEPTION 'only lines of the journal say that they were appended'
      USING ERRCODE = 'AB012', CONSTRAINT = 'event_of_the_journal';
  END IF;
  IF EXISTS (
    SELECT FROM unnest(types, details) AS e (type, data)
    WHERE e.type !~ '^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)+$' OR length(e.type) > 64 OR jsonb_typeof(e.data) <> 'object'
  ) THEN
    RAISE EXCEPTION 'an event has a type such as lock.created, and members as its data'
      USING ERRCODE = 'AB012', CONSTRAINT = 'event_form';
  END IF;
  UPDATE journal_head h SET next_event = h.next_event + n RETURNING h.next_event - n, h.time INTO first_event, now;
  INSERT INTO event (seq, time, type, subject, data)
  SELECT first_event + e.place - 1, now, e.type, e.subject, e.data
  FROM unnest(types, subjects, details) WITH ORDINALITY AS e (type, subject, data, place);
END $function$
;

CREATE OR REPLACE FUNCTION ledger.append_to_journal(first_seq bigint, last_seq bigint, n bigint, first_time bigint, last_time bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
DECLARE event_seq bigint;
BEGIN
  UPDATE journal_head h
  SET next_seq = last_seq + 1, next_event = h.next_event + 1, time = last_time
  WHERE h.next_seq = first_seq AND last_seq - first_seq + 1 = n
    AND first_time = last_time AND first_time >= h.time
    AND last_time <= greatest(h.time, wall_clock() + h.clock_offset)
  RETURNING h.next_event - 1 INTO event_seq;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the journal does not continue with lines % to % of time %', first_seq, last_seq, first_time
      USING ERRCODE = 'AB001', CONSTRAINT = 'journal_gapless';
  END IF;
  INSERT INTO event (seq, time, type, data)
  VALUES (event_seq, last_time, 'journal.appended', jsonb_build_object('first_seq', first_seq, 'last_seq', last_seq));
END $function$
;

CREATE OR REPLACE FUNCTION ledger.apply_account_closings()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
DECLARE
  n bigint; first_seq bigint; last_seq bigint; first_time bigint; last_time bigint; accounts uuid[]; closed_now bigint;
BEGIN
  SELECT count(*), min(seq), max(seq), min(time), max(time), array_agg(account)
  INTO n, first_seq, last_seq, first_time, last_time, accounts FROM new_closings;
  IF n = 0 THEN RETURN NULL; END IF;
  PERFORM append_to_journal(first_seq, last_seq, n, first_time, last_time);
  UPDATE account a SET closed = true
  WHERE a.id = ANY (accounts) AND NOT a.closed AND a.debits_posted = a.credits_posted AND a.debits_pending = 0
    AND a.role IN ('available', 'locked', 'staked', 'reserved', 'general')
    AND NOT EXISTS (SELECT FROM position p WHERE p.account = a.id);
  GET DIAGNOSTICS closed_now = ROW_COUNT;
  IF closed_now <> n THEN
    RAISE EXCEPTION '% of % accounts cannot be closed', n - closed_now, n
      USING ERRCODE = 'AB017', CONSTRAINT = 'account_closable';
  END IF;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.apply_chain_lines()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
DECLARE
  n bigint; first_seq bigint; last_seq bigint; first_time bigint; last_time bigint;
  demanded uuid[]; served uuid[]; changed bigint;
BEGIN
  SELECT count(*), min(seq), max(seq), min(time), max(time),
    coalesce(array_agg(account) FILTER (WHERE event = 'ExitDemanded'), '{}'),
    coalesce(array_agg(account) FILTER (WHERE event = 'DemandServed'), '{}')
  INTO n, first_seq, last_seq, first_time, last_time, demanded, served FROM new_chain_lines;
  IF n = 0 THEN RETURN NULL; END IF;
  PERFORM append_to_journal(first_seq, last_seq, n, first_time, last_time);
  UPDATE account a SET exit_demanded = true
  WHERE a.id = ANY (demanded) AND NOT a.exit_demanded AND EXISTS (SELECT FROM position p WHERE p.account = a.id);
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed <> cardinality(demanded) THEN
    RAISE EXCEPTION 'a demand is for a settled account that has no other open demand'
      USING ERRCODE = 'AB019', CONSTRAINT = 'chain_line_demand';
  END IF;
  UPDATE account a SET exit_demanded = false WHERE a.id = ANY (served) AND a.exit_demanded;
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed <> cardinality(served) THEN
    RAISE EXCEPTION 'only an open demand is served' USING ERRCODE = 'AB019', CONSTRAINT = 'chain_line_demand';
  END IF;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.apply_position_changes()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
DECLARE
  n bigint; first_seq bigint; last_seq bigint; first_time bigint; last_time bigint;
  accounts uuid[]; assets text[]; sections smallint[]; indexes bigint[]; keys bytea[];
  seqs bigint[]; owners bytea[]; ends bigint[]; kinds bigint[]; quantities bigint[]; signed boolean[]; moved bigint;
BEGIN
  SELECT count(*), min(seq), max(seq), min(time), max(time),
    array_agg(account), array_agg(asset), array_agg(section), array_agg(index), array_agg(key),
    array_agg(seq), array_agg(owner), array_agg(valid_until), array_agg(kind), array_agg(quantity),
    array_agg(signatures IS NOT NULL)
  INTO n, first_seq, last_seq, first_time, last_time,
    accounts, assets, sections, indexes, keys, seqs, owners, ends, kinds, quantities, signed
  FROM new_positions;
  IF n = 0 THEN RETURN NULL; END IF;
  PERFORM append_to_journal(first_seq, last_seq, n, first_time, last_time);

  SELECT count(*) INTO moved FROM unnest(accounts, assets) AS t (account, asset)
  CROSS JOIN LATERAL (SELECT 1 FROM account WHERE id = t.account AND asset = t.asset AND NOT closed OFFSET 0) AS a;
  IF moved <> n THEN
    RAISE EXCEPTION 'a position belongs to an open account of its asset' USING ERRCODE = 'AB004', CONSTRAINT = 'position_account';
  END IF;

  -- Whose wallet a position is changes by a wallet's word alone.
  SELECT count(*) INTO moved FROM (
    SELECT t.owner, t.signed, coalesce(lag(t.owner) OVER (PARTITION BY t.account ORDER BY t.seq), p.owner) AS before
    FROM unnest(accounts, seqs, owners, signed) AS t (account, seq, owner, signed)
    LEFT JOIN LATERAL (SELECT position.owner FROM position WHERE position.account = t.account OFFSET 0) AS p ON true
  ) AS change
  WHERE NOT change.signed AND change.owner <> coalesce(change.before, '\x0000000000000000000000000000000000000000');
  IF moved <> 0 THEN
    RAISE EXCEPTION '% of % positions change their owner without a statement', moved, n
      USING ERRCODE = 'AB004', CONSTRAINT = 'position_owner_signed';
  END IF;

  WITH fresh AS (
    SELECT t.asset, t.section, min(t.index) AS first_index, max(t.index) AS last_index, count(DISTINCT t.index) AS leaves
    FROM unnest(accounts, assets, sections, indexes) AS t (account, asset, section, index)
    WHERE NOT EXISTS (SELECT 1 FROM position p WHERE p.account = t.account)
    GROUP BY t.asset, t.section
  ), counted AS (
    INSERT INTO section_count AS s (asset, section, count)
    SELECT asset, section, leaves FROM fresh
    WHERE EXISTS (SELECT 1 FROM section_count c WHERE c.asset = fresh.asset AND c.section = fresh.section
                    AND c.count = fresh.first_index AND fresh.last_index - fresh.first_index + 1 = fresh.leaves)
      OR (fresh.first_index = 0 AND fresh.last_index + 1 = fresh.leaves
          AND NOT EXISTS (SELECT 1 FROM section_count c WHERE c.asset = fresh.asset AND c.section = fresh.section))
    ON CONFLICT (asset, section) DO UPDATE SET count = s.count + excluded.count
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM fresh) - (SELECT count(*) FROM counted) INTO moved;
  IF moved <> 0 THEN
    RAISE EXCEPTION 'a new position takes the next index of its section' USING ERRCODE = 'AB004', CONSTRAINT = 'position_next_index';
  END IF;

  -- Only the last line of an account in this statement is its newest.
  WITH newest AS (
    SELECT DISTINCT ON (t.account) t.*
    FROM unnest(accounts, assets, sections, indexes, keys, owners, ends, kinds, quantities, seqs)
      AS t (account, asset, section, index, key, owner, valid_until, kind, quantity, seq)
    ORDER BY t.account, t.seq DESC
  )
  INSERT INTO position AS p (account, asset, section, index, key, owner, valid_until, kind, quantity, seq)
  SELECT account, asset, section, index, key, owner, valid_until, kind, quantity, seq FROM newest
  ON CONFLICT (account) DO UPDATE
    SET owner = excluded.owner, valid_until = excluded.valid_until, kind = excluded.kind,
      quantity = excluded.quantity, seq = excluded.seq
    WHERE p.asset = excluded.asset AND p.section = excluded.section AND p.index = excluded.index AND p.key = excluded.key;
  -- Every line, not the newest alone: two lines of one account in a statement must say the same place.
  SELECT count(*) INTO moved FROM unnest(accounts, assets, sections, indexes, keys) AS t (account, asset, section, index, key)
  CROSS JOIN LATERAL (
    SELECT 1 FROM position WHERE account = t.account AND asset = t.asset AND section = t.section
      AND index = t.index AND key = t.key OFFSET 0) AS p;
  IF moved <> n THEN
    RAISE EXCEPTION 'a position keeps its section, index and key for ever' USING ERRCODE = 'AB004', CONSTRAINT = 'position_fixed';
  END IF;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.apply_transfers()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
DECLARE
  n bigint; first_seq bigint; last_seq bigint; first_time bigint; last_time bigint; opening bigint; resolving bigint;
  debits uuid[]; credits uuid[]; assets text[]; amounts numeric[]; phases text[]; codes text[];
  seqs bigint[]; pendings uuid[]; held_debits uuid[]; held_credits uuid[]; held_amounts numeric[]; held_phases text[];
  released_debits tid[]; released_credits tid[]; released numeric[];
  allowed bigint; touched bigint; moved bigint; from_leaving bigint; from_custody bigint; spent uuid[];
BEGIN
  SELECT count(*), min(seq), max(seq), min(time), max(time),
    count(*) FILTER (WHERE phase = 'pending'), count(*) FILTER (WHERE pending_id IS NOT NULL),
    array_agg(debit_account), array_agg(credit_account), array_agg(asset), array_agg(amount::numeric), array_agg(phase)
  INTO n, first_seq, last_seq, first_time, last_time, opening, resolving, debits, credits, assets, amounts, phases
  FROM new_transfers;
  IF n = 0 THEN RETURN NULL; END IF;
  PERFORM append_to_journal(first_seq, last_seq, n, first_time, last_time);

  -- Holds: opened first, because a batch may open and resolve one.
  IF opening > 0 THEN
    INSERT INTO hold (transfer_id, seq, debit_account, credit_account, asset, amount, expires_at)
    SELECT id, seq, debit_account, credit_account, asset, amount, expires_at FROM new_transfers WHERE phase = 'pending';
  END IF;
  IF resolving > 0 THEN
    SELECT array_agg(seq), array_agg(pending_id), array_agg(debit_account), array_agg(credit_account),
      array_agg(amount::numeric), array_agg(phase)
    INTO seqs, pendings, held_debits, held_credits, held_amounts, held_phases
    FROM new_transfers WHERE pending_id IS NOT NULL;
    WITH resolved AS (
      DELETE FROM hold
      USING unnest(seqs, pendings, held_debits, held_credits, held_amounts, held_phases)
        AS t (seq, pending, debit, credit, amount, phase)
      CROSS JOIN LATERAL (SELECT h.ctid AS place, h.* FROM hold h WHERE h.transfer_id = t.pending OFFSET 0) AS h
      WHERE hold.ctid = h.place AND h.seq < t.seq AND h.debit_account = t.debit AND h.credit_account = t.credit
        AND CASE t.phase
              WHEN 'post' THEN t.amount <= h.amount AND (h.expires_at IS NULL OR h.expires_at > first_time)
              WHEN 'void' THEN t.amount = h.amount AND (h.expires_at IS NULL OR h.expires_at > first_time)
              ELSE t.amount = h.amount AND h.expires_at <= first_time
            END
      RETURNING hold.debit_account, hold.credit_account, hold.amount
    )
    SELECT count(*), array_agg(d.ctid), array_agg(c.ctid), array_agg(r.amount::numeric)
    INTO touched, released_debits, released_credits, released
    FROM resolved r
    CROSS JOIN LATERAL (SELECT ctid FROM account WHERE id = r.debit_account OFFSET 0) AS d
    CROSS JOIN LATERAL (SELECT ctid FROM account WHERE id = r.credit_account OFFSET 0) AS c;
    IF touched <> resolving THEN
      RAISE EXCEPTION '% of % lines resolve no open hold as they may', resolving - touched, resolving
        USING ERRCODE = 'AB003', CONSTRAINT = 'hold_resolved_once';
    END IF;
  END IF;

  WITH line AS MATERIALIZED (
    SELECT t.asset, d.ctid AS debit, c.ctid AS credit, d.role AS from_role, c.role AS to_role,
      d.owner = c.owner AS same_owner, (d.closed OR c.closed) AND t.phase NOT IN ('void', 'expire') AS closed,
      d.exit_demanded AND t.phase NOT IN ('void', 'expire') AS barred,
      CASE WHEN t.phase IN ('single', 'post') THEN t.amount END AS posted,
      CASE WHEN t.phase = 'pending' THEN t.amount END AS pending
    FROM unnest(debits, credits, assets, amounts, phases) AS t (debit, credit, asset, amount, phase)
    CROSS JOIN LATERAL (
      SELECT ctid, role, owner, closed, exit_demanded FROM account
      WHERE id = t.debit AND asset = t.asset OFFSET 0) AS d
    CROSS JOIN LATERAL (
      SELECT ctid, role, owner, closed FROM account WHERE id = t.credit AND asset = t.asset OFFSET 0) AS c
  ), route AS (
    -- Accounts exist, hold this asset, are open, and the asset has this route: asked once a kind of line.
    SELECT k.lines, k.from_role FROM (
      SELECT asset, from_role, to_role, same_owner, count(*) AS lines FROM line
      WHERE NOT closed
      GROUP BY asset, from_role, to_role, same_owner
    ) AS k
    CROSS JOIN LATERAL (
      SELECT r.same_owner FROM asset_route r
      WHERE r.asset = k.asset AND r.from_role = k.from_role AND r.to_role = k.to_role OFFSET 0
    ) AS r
    WHERE NOT r.same_owner OR k.same_owner
  ), delta AS MATERIALIZED (
    -- One update an account, whatever the number of lines that touch it. A sum that has nothing to add is not begun.
    SELECT place,
      sum(posted) FILTER (WHERE is_debit AND posted IS NOT NULL) AS debit_posted,
      sum(posted) FILTER (WHERE NOT is_debit AND posted IS NOT NULL) AS credit_posted,
      sum(pending) FILTER (WHERE is_debit AND pending IS NOT NULL) AS debit_pending,
      sum(pending) FILTER (WHERE NOT is_debit AND pending IS NOT NULL) AS credit_pending
    FROM (
      SELECT debit AS place, true AS is_debit, posted, pending FROM line
      UNION ALL
      SELECT credit, false, posted, pending FROM line
      UNION ALL
      SELECT place, true, NULL, -amount FROM unnest(released_debits, released) AS h (place, amount)
      UNION ALL
      SELECT place, false, NULL, -amount FROM unnest(released_credits, released) AS h (place, amount)
    ) AS move
    GROUP BY place
  ), applied AS (
    UPDATE account a
    SET debits_posted = a.debits_posted + coalesce(d.debit_posted, 0),
      credits_posted = a.credits_posted + coalesce(d.credit_posted, 0),
      debits_pending = a.debits_pending + coalesce(d.debit_pending, 0),
      credits_pending = a.credits_pending + coalesce(d.credit_pending, 0)
    -- Nothing where the policy forbids a line, so that a limit is not what is blamed.
    FROM delta d WHERE a.ctid = d.place AND n = (SELECT sum(lines) FROM route)
    RETURNING 1
  )
  SELECT (SELECT coalesce(sum(lines), 0) FROM route), (SELECT count(*) FROM delta), (SELECT count(*) FROM applied),
    (SELECT count(*) FROM line WHERE barred), (SELECT sum(lines) FROM route WHERE from_role = 'custody')
  INTO allowed, touched, moved, from_leaving, from_custody;
  IF allowed <> n THEN
    RAISE EXCEPTION '% of % transfers have no open accounts or no route for their asset', n - allowed, n
      USING ERRCODE = 'AB002', CONSTRAINT = 'asset_policy';
  END IF;
  IF moved <> touched THEN
    RAISE EXCEPTION '% of % accounts were changed by somebody without the head', touched - moved, touched
      USING ERRCODE = 'serialization_failure';
  END IF;
  IF from_leaving > 0 THEN
    SELECT array_agg(debit_account) INTO spent FROM new_transfers
    WHERE code <> 'exit_sweep' AND phase IN ('single', 'pending', 'post');
    IF EXISTS (SELECT FROM account a WHERE a.id = ANY (spent) AND a.exit_demanded) THEN
      RAISE EXCEPTION 'only the sweep of its demand may debit an account that is to leave on-chain'
        USING ERRCODE = 'AB019', CONSTRAINT = 'account_exit_demanded';
    END IF;
  END IF;
  -- What comes into the books of a token came in on the chain: each credit stands behind the line of its entry, in a book of
  -- that asset. Before the first of them the whole supply comes into the treasury, once.
  IF from_custody > 0 THEN
    SELECT array_agg(seq), array_agg(code), array_agg(debit_account), array_agg(credit_account), array_agg(asset),
      array_agg(amount::numeric), array_agg(phase)
    INTO seqs, codes, debits, credits, assets, amounts, phases
    FROM new_transfers;
  END IF;
  IF from_custody > 0 AND EXISTS (
    SELECT FROM unnest(seqs, codes, debits, credits, assets, amounts, phases)
      AS t (seq, code, debit, credit, asset, amount, phase)
    CROSS JOIN LATERAL (SELECT * FROM account a WHERE a.id = t.debit OFFSET 0) AS d
    CROSS JOIN LATERAL (SELECT role FROM account a WHERE a.id = t.credit OFFSET 0) AS c
    WHERE d.role = 'custody' AND EXISTS (SELECT FROM asset s WHERE s.code = t.asset AND s.backed)
      AND NOT (t.phase = 'single' AND CASE t.code
        WHEN 'entry_credit' THEN EXISTS (
          SELECT FROM chain_line l JOIN book b ON b.chain_id = l.chain_id AND b.registry = '0x' || encode(l.registry, 'hex')
          WHERE l.seq = t.seq - 1 AND l.event = 'EntryMade' AND b.asset = t.asset)
        WHEN 'genesis' THEN c.role = 'treasury' AND d.debits_posted = t.amount AND d.credits_posted = 0
        ELSE false END)
  ) THEN
    RAISE EXCEPTION 'a transfer out of custody follows the line of an entry in a book of its asset'
      USING ERRCODE = 'AB022', CONSTRAINT = 'custody_entry_line';
  END IF;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.back_asset()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  UPDATE asset SET backed = true WHERE code = NEW.asset AND NOT backed;
  IF FOUND AND EXISTS (
    SELECT FROM asset s JOIN transfer t ON t.asset = s.code JOIN account d ON d.id = t.debit_account
    WHERE s.code = NEW.asset AND s.program IS NULL
      AND t.code IN ('genesis', 'entry_credit', 'withdrawal_claimed', 'exit_sweep')
      AND NOT (t.code = 'genesis' AND d.role = 'custody')
  ) THEN
    RAISE EXCEPTION '% has transfers with codes that tell of a chain: no book with a token can be opened for it', NEW.asset
      USING ERRCODE = 'AB022', CONSTRAINT = 'book_chain_codes';
  END IF;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.close_webhook()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF OLD.deleted_at IS NOT NULL THEN
    RAISE EXCEPTION 'webhook % was deleted', OLD.id USING ERRCODE = 'AB014', CONSTRAINT = 'webhook_deleted';
  END IF;
  IF NEW.deleted_at IS NOT NULL THEN
    DELETE FROM webhook_secret WHERE webhook = NEW.id;
  END IF;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.count_claims()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
DECLARE counted boolean := OLD.seq IS NOT NULL AND NOT OLD.lost; counts boolean := NEW.seq IS NOT NULL AND NOT NEW.lost;
BEGIN
  IF counts <> counted THEN
    UPDATE chain_cursor
    SET claimed = claimed + CASE WHEN counts THEN 1 ELSE -1 END * (NEW.args ->> 'amount')::numeric
    WHERE book = NEW.book;
  END IF;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.create_asset(new_code text, new_scale smallint, is_transferable boolean, is_mintable boolean, cap numeric, now bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  INSERT INTO asset (code, scale, transferable, mintable, supply_cap, created_at)
  VALUES (new_code, new_scale, is_transferable, is_mintable, cap, now);
  INSERT INTO asset_route (asset, from_role, to_role, same_owner)
  SELECT new_code, from_role, to_role, same_owner
  FROM (VALUES
    ('available', 'locked', true, true), ('locked', 'available', true, true),
    ('available', 'staked', true, true), ('staked', 'available', true, true),
    ('available', 'reserved', true, true), ('reserved', 'available', true, true),
    ('treasury', 'available', false, true), ('available', 'treasury', false, true),
    -- At the beginning, and when tokens come in on-chain.
    ('custody', 'treasury', false, true), ('custody', 'available', false, true),
    -- Out to the owner's wallet, and off the books when it has claimed; in by a wallet that nobody has linked.
    ('available', 'payouts', true, true), ('locked', 'payouts', true, true), ('staked', 'payouts', true, true),
    ('reserved', 'payouts', true, true), ('deposited', 'payouts', true, true), ('treasury', 'payouts', false, true),
    ('payouts', 'custody', false, true), ('custody', 'deposited', false, true), ('deposited', 'available', false, true),
    ('deposited', 'treasury', false, true),
    ('available', 'burned', false, true), ('treasury', 'burned', false, true),
    ('issuance', 'treasury', false, is_mintable), ('issuance', 'available', false, is_mintable),
    ('issuance', 'general', false, is_mintable AND is_transferable),
    ('available', 'available', false, is_transferable), ('available', 'general', false, is_transferable),
    ('general', 'available', false, is_transferable), ('general', 'general', false, is_transferable),
    ('general', 'treasury', false, is_transferable), ('treasury', 'general', false, is_transferable),
    ('available', 'revenue', false, is_transferable), ('general', 'revenue', false, is_transferable),
    -- To another ledger and from it. Of a capped asset no ledger could know how much there is.
    ('available', 'clearing', false, is_transferable AND cap IS NULL),
    ('general', 'clearing', false, is_transferable AND cap IS NULL),
    ('clearing', 'available', false, is_transferable AND cap IS NULL),
    ('clearing', 'general', false, is_transferable AND cap IS NULL)
  ) AS route (from_role, to_role, same_owner, wanted)
  WHERE wanted;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_access_lock()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF OLD.status <> 'locked'
    OR (NEW.id, NEW.agreement_id, NEW.user_id, NEW.account, NEW.amount, NEW.level, NEW.created_at, NEW.locked_until)
      IS DISTINCT FROM
      (OLD.id, OLD.agreement_id, OLD.user_id, OLD.account, OLD.amount, OLD.level, OLD.created_at, OLD.locked_until)
    OR NEW.counterparty_id IS DISTINCT FROM OLD.counterparty_id
    OR (OLD.locker_asks_end AND NOT NEW.locker_asks_end)
    OR (OLD.counterparty_asks_end AND NOT NEW.counterparty_asks_end) THEN
    RAISE EXCEPTION 'lock % cannot become this', OLD.id USING ERRCODE = 'AB008', CONSTRAINT = 'access_lock_transition';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_access_reservation()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF OLD.status <> 'reserved' OR NEW.status <> 'expired'
    OR (NEW.id, NEW.user_id, NEW.entity_type, NEW.entity_id, NEW.account, NEW.amount, NEW.quota_per_day,
        NEW.created_at, NEW.reserved_until)
      IS DISTINCT FROM
      (OLD.id, OLD.user_id, OLD.entity_type, OLD.entity_id, OLD.account, OLD.amount, OLD.quota_per_day,
        OLD.created_at, OLD.reserved_until) THEN
    RAISE EXCEPTION 'reservation % cannot become this', OLD.id
      USING ERRCODE = 'AB008', CONSTRAINT = 'access_reservation_transition';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_access_stake()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF OLD.status <> 'staked'
    OR (NEW.id, NEW.user_id, NEW.strategy_id, NEW.account, NEW.created_at)
      IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.strategy_id, OLD.account, OLD.created_at)
    OR NEW.tier < OLD.tier OR NEW.amount < OLD.amount
    OR (NEW.tier = OLD.tier AND (NEW.amount, NEW.expires_at) IS DISTINCT FROM (OLD.amount, OLD.expires_at)) THEN
    RAISE EXCEPTION 'stake % cannot become this', OLD.id USING ERRCODE = 'AB008', CONSTRAINT = 'access_stake_transition';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_account()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
DECLARE cap numeric; source text;
BEGIN
  IF NEW.role NOT IN
      ('available', 'locked', 'staked', 'reserved', 'general', 'treasury', 'issuance', 'custody', 'revenue', 'burned',
       'clearing', 'payouts', 'deposited') THEN
    RAISE EXCEPTION 'no role %', NEW.role USING ERRCODE = 'check_violation', CONSTRAINT = 'account_role';
  END IF;
  IF (NEW.role IN ('available', 'locked', 'staked', 'reserved', 'payouts', 'deposited')) <> (NEW.owner IS NOT NULL) THEN
    RAISE EXCEPTION 'an account of the role % has % owner', NEW.role, CASE WHEN NEW.owner IS NULL THEN 'an' ELSE 'no' END
      USING ERRCODE = 'check_violation', CONSTRAINT = 'account_owner_by_role';
  END IF;
  SELECT supply_cap, CASE WHEN mintable THEN 'issuance' ELSE 'custody' END INTO cap, source
  FROM asset WHERE code = NEW.asset;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no asset %', NEW.asset USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'account_asset';
  END IF;
  IF cap IS NOT NULL AND NEW.debit_allowance IS DISTINCT FROM
      (CASE WHEN NEW.role = source THEN cap ELSE 0 END) THEN
    RAISE EXCEPTION 'an account of % must not have debits above its credits', NEW.asset
      USING ERRCODE = 'AB005', CONSTRAINT = 'account_limit_required';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_chain_entry()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
DECLARE last chain_entry;
BEGIN
  SELECT * INTO last FROM chain_entry e WHERE e.book = NEW.book ORDER BY e.entry DESC LIMIT 1;
  IF NEW.entry <> coalesce(last.entry, 0) + 1 OR NEW.seq <= coalesce(last.seq, -1)
    OR NOT EXISTS (SELECT FROM chain_line l JOIN book b ON b.id = NEW.book
                   WHERE l.seq = NEW.seq AND l.event = 'EntryMade' AND l.chain_id = b.chain_id
                     AND l.registry = decode(substr(b.registry, 3), 'hex')
                     AND l.tx_hash = decode(substr(NEW.tx_hash, 3), 'hex') AND l.log_index = NEW.log_index) THEN
    RAISE EXCEPTION 'entry % does not follow entry % with a line of its own', NEW.entry, coalesce(last.entry, 0)
      USING ERRCODE = 'AB021', CONSTRAINT = 'chain_entry_in_order';
  END IF;
  IF NEW.credited_as <> 'nothing' AND NOT EXISTS (
    SELECT FROM transfer t WHERE t.seq = NEW.seq + 1 AND t.code = 'entry_credit' AND t.amount = NEW.amount
  ) THEN
    RAISE EXCEPTION 'entry % is not credited behind its line', NEW.entry
      USING ERRCODE = 'AB021', CONSTRAINT = 'chain_entry_amount';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_chain_event()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.seq IS NULL THEN RETURN OLD; END IF;
  ELSIF (OLD.book, OLD.tx_hash, OLD.log_index, OLD.contract, OLD.event, OLD.args)
      = (NEW.book, NEW.tx_hash, NEW.log_index, NEW.contract, NEW.event, NEW.args)
    AND (NEW.final OR NOT OLD.final) AND (OLD.seq IS NULL OR NEW.seq = OLD.seq)
    AND (OLD.lost OR (OLD.block, OLD.block_hash) = (NEW.block, NEW.block_hash)) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the event %/% stays as it was seen', OLD.tx_hash, OLD.log_index
    USING ERRCODE = 'AB021', CONSTRAINT = 'chain_event_stays';
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_epoch()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
DECLARE last epoch;
BEGIN
  SELECT * INTO last FROM epoch e WHERE e.book = NEW.book ORDER BY e.number DESC LIMIT 1;
  IF NEW.number <> coalesce(last.number, 0) + 1
    OR last.status = 'vetoed'
    OR EXISTS (SELECT 1 FROM vetoed_epoch v WHERE v.header_hash = NEW.header_hash)
    OR NEW.journal_size < coalesce(last.journal_size, 0)
    OR NEW.closed_at < coalesce(last.closed_at, 0)
    OR NEW.journal_size > (SELECT next_seq FROM journal_head) THEN
    RAISE EXCEPTION 'epoch % does not continue epoch %', NEW.number, coalesce(last.number, 0)
      USING ERRCODE = 'AB007', CONSTRAINT = 'epoch_continues';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_exit_demand()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF (OLD.book, OLD.section, OLD.index, OLD.seq, OLD.account, OLD.key, OLD.owner, OLD.amount, OLD.due, OLD.block)
      IS DISTINCT FROM
      (NEW.book, NEW.section, NEW.index, NEW.seq, NEW.account, NEW.key, NEW.owner, NEW.amount, NEW.due, NEW.block)
    OR OLD.served_at IS NOT NULL OR NEW.swept < OLD.swept THEN
    RAISE EXCEPTION 'the demand for %/% cannot become this', OLD.section, OLD.index
      USING ERRCODE = 'AB021', CONSTRAINT = 'exit_demand_transition';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_inter_ledger_arrival()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF NEW.line_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM transfer t JOIN account c ON c.id = t.debit_account
    WHERE t.id = NEW.line_id AND t.phase = 'single' AND c.role = 'clearing' AND c.reference = NEW.from_ledger_id::text
  ) THEN
    RAISE EXCEPTION 'what arrived is credited by a line'
      USING ERRCODE = 'AB018', CONSTRAINT = 'inter_ledger_credited';
  END IF;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_inter_ledger_transfer()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'pending' OR NOT EXISTS (
      SELECT FROM hold h JOIN account c ON c.id = h.credit_account
      WHERE h.transfer_id = NEW.id AND h.seq = NEW.seq AND h.expires_at IS NULL
        AND h.debit_account = NEW.from_account AND h.asset = NEW.asset AND h.amount = NEW.amount
        AND c.role = 'clearing' AND c.reference = NEW.to_ledger_id::text
    ) THEN
      RAISE EXCEPTION 'a transfer between ledgers begins with its hold'
        USING ERRCODE = 'AB018', CONSTRAINT = 'inter_ledger_held';
    END IF;
    RETURN NULL;
  END IF;
  IF OLD.state <> 'pending' OR NEW.state = 'pending'
    OR (to_jsonb(NEW) - ARRAY['state', 'arrival_id', 'reason', 'resolved_at'])
      <> (to_jsonb(OLD) - ARRAY['state', 'arrival_id', 'reason', 'resolved_at']) THEN
    RAISE EXCEPTION 'a transfer between ledgers is resolved once, and else never changes'
      USING ERRCODE = 'AB018', CONSTRAINT = 'inter_ledger_once';
  END IF;
  IF NOT EXISTS (
    SELECT FROM transfer t WHERE t.pending_id = NEW.id AND t.amount = NEW.amount
      AND t.phase = CASE NEW.state WHEN 'posted' THEN 'post' ELSE 'void' END
  ) THEN
    RAISE EXCEPTION 'a transfer between ledgers ends with its hold'
      USING ERRCODE = 'AB018', CONSTRAINT = 'inter_ledger_resolved_by_line';
  END IF;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_leaves()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF EXISTS (
    SELECT 1 FROM (SELECT DISTINCT book, epoch FROM new_leaves) AS n
    WHERE n.epoch <> 1 + coalesce((SELECT max(e.number) FROM epoch e WHERE e.book = n.book), 0)
  ) THEN
    RAISE EXCEPTION 'leaves belong to the epoch that is being closed'
      USING ERRCODE = 'AB007', CONSTRAINT = 'leaf_of_open_epoch';
  END IF;
  INSERT INTO leaf_page (book, epoch, section, first, indexes)
  SELECT book, epoch, section, min(index), array_agg(index ORDER BY index) FROM new_leaves GROUP BY book, epoch, section;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_log_checkpoint()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF NEW.size < coalesce((SELECT max(c.size) FROM log_checkpoint c), 0)
    OR NEW.size > (SELECT next_seq FROM journal_head) THEN
    RAISE EXCEPTION 'a checkpoint of % lines does not follow the last one', NEW.size
      USING ERRCODE = 'AB007', CONSTRAINT = 'log_checkpoint_follows';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_log_cosignature()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF (NEW.size, NEW.name, NEW.key_id) <> (OLD.size, OLD.name, OLD.key_id) OR NEW.time <= OLD.time THEN
    RAISE EXCEPTION 'a cosignature is replaced by a later one of its witness alone'
      USING ERRCODE = 'AB007', CONSTRAINT = 'log_cosignature_later';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_log_tile()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.level, NEW.index) <> (OLD.level, OLD.index)
      OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes THEN
      RAISE EXCEPTION 'tile %/% does not go on as it began', OLD.level, OLD.index
        USING ERRCODE = 'AB007', CONSTRAINT = 'log_tile_grows';
    END IF;
  ELSIF NEW.index > 0 AND NOT EXISTS (
    SELECT 1 FROM log_tile t WHERE t.level = NEW.level AND t.index = NEW.index - 1 AND length(t.hashes) = 8192
  ) THEN
    RAISE EXCEPTION 'tile %/% does not follow a full one', NEW.level, NEW.index
      USING ERRCODE = 'AB007', CONSTRAINT = 'log_tile_follows';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_removal()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF EXISTS (
    SELECT 1 FROM (SELECT DISTINCT book, epoch FROM removed) AS r
    WHERE NOT EXISTS (SELECT 1 FROM epoch e WHERE e.book = r.book AND e.number = r.epoch AND e.status = 'vetoed')
  ) THEN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'AB006', CONSTRAINT = 'append_only';
  END IF;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_usage()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
DECLARE
  users text[]; types smallint[]; days integer[]; uses bigint[]; helds bigint[];
  old_users text[]; old_types smallint[]; old_days integer[]; old_uses bigint[]; old_helds bigint[];
  now bigint; refused bigint;
BEGIN
  SELECT array_agg(user_id), array_agg(entity_type), array_agg(day), array_agg(used), array_agg(held)
  INTO users, types, days, uses, helds FROM new_usage;
  IF users IS NULL THEN RETURN NULL; END IF;
  IF TG_OP = 'UPDATE' THEN
    SELECT array_agg(user_id), array_agg(entity_type), array_agg(day), array_agg(used), array_agg(held)
    INTO old_users, old_types, old_days, old_uses, old_helds FROM old_usage;
    IF users <> old_users OR types <> old_types OR days <> old_days THEN
      RAISE EXCEPTION 'the rows before and after a change of usage cannot be matched'
        USING ERRCODE = 'AB010', CONSTRAINT = 'usage_within_quota';
    END IF;
  ELSE
    old_uses := array_fill(0::bigint, ARRAY[cardinality(uses)]);
    old_helds := old_uses;
  END IF;

  SELECT h.time INTO now FROM journal_head h;
  SELECT count(*) INTO refused
  FROM unnest(users, types, days, uses, helds, old_uses, old_helds)
    AS u (user_id, entity_type, day, used, held, old_used, old_held)
  LEFT JOIN LATERAL (SELECT id, default_per_day FROM quota_kind WHERE id = u.entity_type OFFSET 0) AS k ON true
  LEFT JOIN LATERAL (
    SELECT user_id, quota_per_day, limit_before, changed_in FROM allowance
    WHERE user_id = u.user_id AND entity_type = u.entity_type OFFSET 0
  ) AS a ON true
  WHERE k.id IS NULL
    OR (u.used + u.held > u.old_used + u.old_held AND (u.day <> now / 86400 OR u.used + u.held > CASE
      WHEN a.user_id IS NULL THEN k.default_per_day
      WHEN a.changed_in = pg_current_xact_id() THEN greatest(a.quota_per_day, a.limit_before)
      ELSE a.quota_per_day END));
  IF refused > 0 THEN
    RAISE EXCEPTION '% of % changes of usage are beyond the allowance in force, or not of today', refused, cardinality(users)
      USING ERRCODE = 'AB010', CONSTRAINT = 'usage_within_quota';
  END IF;

  IF helds <> old_helds THEN
    SELECT count(*) INTO refused
    FROM unnest(users, types, days, helds, old_helds) AS u (user_id, entity_type, day, held, old_held)
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(h.units), 0) AS units FROM quota_hold h
      WHERE h.user_id = u.user_id AND h.entity_type = u.entity_type AND h.day = u.day AND h.status = 'open' OFFSET 0
    ) AS open
    WHERE u.held <> u.old_held AND u.held <> open.units;
    IF refused > 0 THEN
      RAISE EXCEPTION '% of % changes of usage hold other units than their open holds', refused, cardinality(users)
        USING ERRCODE = 'AB010', CONSTRAINT = 'usage_held_by_holds';
    END IF;
  END IF;

  -- A hold that is committed after its day counts for the last hour of that.
  INSERT INTO usage_hour (user_id, entity_type, hour, used)
  SELECT u.user_id, u.entity_type, least(now / 3600, u.day * 24 + 23), u.used - u.old_used
  FROM unnest(users, types, days, uses, old_uses) AS u (user_id, entity_type, day, used, old_used)
  WHERE u.used > u.old_used
  ON CONFLICT (user_id, entity_type, hour) DO UPDATE SET used = usage_hour.used + excluded.used;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_wallet_owner()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF (NEW.wallet, NEW.user_id, NEW.bound_at) IS DISTINCT FROM (OLD.wallet, OLD.user_id, OLD.bound_at)
    OR (OLD.linked_at IS NOT NULL AND NEW.linked_at IS DISTINCT FROM OLD.linked_at) THEN
    RAISE EXCEPTION 'a wallet belongs to one user for ever' USING ERRCODE = 'AB020', CONSTRAINT = 'wallet_owner_fixed';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.guard_wallet_user()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  IF (NEW.user_id, NEW.asset, NEW.key) IS DISTINCT FROM (OLD.user_id, OLD.asset, OLD.key)
    OR NEW.number < OLD.number OR NEW.linked_by < OLD.linked_by
    OR (NEW.wallet = OLD.wallet) <> (NEW.linked_by = OLD.linked_by)
    OR (NEW.wallet <> OLD.wallet AND NEW.linked_by <= OLD.number
      AND (NEW.linked_by, NEW.wallet::bytea) IS DISTINCT FROM (OLD.announced_number, OLD.announced_wallet::bytea))
    OR (NEW.announced_number IS DISTINCT FROM OLD.announced_number AND NEW.announced_number <= OLD.number) THEN
    RAISE EXCEPTION 'the wallet of a user cannot become this' USING ERRCODE = 'AB020', CONSTRAINT = 'wallet_user_transition';
  END IF;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.ledger_now()
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  RETURN (SELECT greatest(h.time, wall_clock() + h.clock_offset)
    FROM journal_head h);
END $function$
;

CREATE OR REPLACE FUNCTION ledger.note_batch(writer_id uuid, batch uuid)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE writer w SET last_batch = batch WHERE w.id = writer_id;
  IF NOT FOUND THEN INSERT INTO writer (id, last_batch) VALUES (writer_id, batch); END IF;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.open_webhook()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  INSERT INTO webhook_secret (webhook) VALUES (NEW.id);
  INSERT INTO webhook_delivery (webhook, after_seq) SELECT NEW.id, h.next_event - 1 FROM journal_head h;
  RETURN NULL;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.record_allowance_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
DECLARE current_xact xid8 := pg_current_xact_id();
BEGIN
  IF TG_OP = 'INSERT' THEN
    SELECT default_per_day INTO NEW.limit_before FROM quota_kind WHERE id = NEW.entity_type;
    -- The foreign key names what is wrong.
    NEW.limit_before := coalesce(NEW.limit_before, 0);
  ELSE
    IF (NEW.user_id, NEW.entity_type) <> (OLD.user_id, OLD.entity_type) OR NEW.version <= OLD.version THEN
      RAISE EXCEPTION 'a changed allowance keeps its key and gets a higher version'
        USING ERRCODE = 'AB010', CONSTRAINT = 'allowance_version';
    END IF;
    NEW.limit_before := CASE WHEN OLD.changed_in = current_xact
      THEN greatest(OLD.limit_before, OLD.quota_per_day) ELSE OLD.quota_per_day END;
  END IF;
  NEW.changed_in := current_xact;
  RETURN NEW;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'AB006', CONSTRAINT = 'append_only';
END $function$
;

CREATE OR REPLACE FUNCTION ledger.refuse_quota_hold_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  RAISE EXCEPTION 'a hold of quota ends once and never changes after'
    USING ERRCODE = 'AB010', CONSTRAINT = 'quota_hold_ends_once';
END $function$
;

CREATE OR REPLACE FUNCTION ledger.refuse_usage_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  RAISE EXCEPTION 'usage keeps its key, never shrinks, and gets a higher version with every change'
    USING ERRCODE = 'AB010', CONSTRAINT = 'usage_only_grows';
END $function$
;

CREATE OR REPLACE FUNCTION ledger.release_vetoed(of_book integer, first_number bigint, first_hash text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
DECLARE released bigint;
BEGIN
  IF NOT EXISTS (
    SELECT 1 FROM epoch
    WHERE book = of_book AND number = first_number AND header_hash = first_hash AND status = 'vetoed'
  ) OR EXISTS (
    SELECT 1 FROM epoch e
    LEFT JOIN outbox f ON f.book = e.book AND f.epoch = e.number AND f.kind = 'finalize'
    WHERE e.book = of_book
      AND CASE WHEN e.number < first_number THEN e.status = 'vetoed'
        ELSE e.status <> 'vetoed' OR f.tx_hash IS NOT NULL END
  ) THEN
    RAISE EXCEPTION 'the epochs from % on are not all vetoed', first_number
      USING ERRCODE = 'AB007', CONSTRAINT = 'epoch_vetoed';
  END IF;
  INSERT INTO vetoed_epoch (header_hash, book, number, header, journal_size, leaves_changed, closed_at, released_at)
  SELECT header_hash, book, number, header, journal_size, leaves_changed, closed_at, ledger_now()
  FROM epoch WHERE book = of_book AND number >= first_number;
  GET DIAGNOSTICS released = ROW_COUNT;
  DELETE FROM leaf l USING leaf_page p
  WHERE p.book = of_book AND p.epoch >= first_number
    AND l.book = p.book AND l.section = p.section AND l.index = ANY (p.indexes) AND l.epoch = p.epoch;
  DELETE FROM leaf_page WHERE book = of_book AND epoch >= first_number;
  DELETE FROM outbox WHERE book = of_book AND epoch >= first_number;
  DELETE FROM epoch WHERE book = of_book AND number >= first_number;
  RETURN released;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.take_head()
 RETURNS TABLE(next_seq bigint, now bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  RETURN QUERY UPDATE journal_head h
  SET time = greatest(h.time, wall_clock() + h.clock_offset),
    previous_batch = h.last_batch, last_batch = NULL
  RETURNING h.next_seq, h.time;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.take_head(writer_id uuid, batch uuid, OUT next_seq bigint, OUT now bigint, OUT previous uuid, OUT any_due boolean, OUT clock_ms bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
DECLARE ahead bigint;
BEGIN
  UPDATE journal_head h
  SET time = greatest(h.time, wall_clock() + h.clock_offset),
    previous_batch = h.last_batch, last_batch = batch
  RETURNING h.next_seq, h.time, h.previous_batch, h.clock_offset INTO next_seq, now, previous, ahead;
  clock_ms := floor((extract(epoch FROM clock_timestamp()) + ahead) * 1000)::bigint;
  PERFORM note_batch(writer_id, batch);
  any_due := EXISTS (SELECT FROM hold WHERE expires_at <= now);
END $function$
;

CREATE OR REPLACE FUNCTION ledger.take_head(writer_id uuid, batch uuid, after uuid, at bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  UPDATE journal_head h SET time = at, previous_batch = h.last_batch, last_batch = batch
  WHERE h.last_batch = after AND at >= h.time
    AND at <= greatest(h.time, wall_clock() + h.clock_offset);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another batch than % was written last', after
      USING ERRCODE = 'AB013', CONSTRAINT = 'journal_decided_ahead';
  END IF;
  PERFORM note_batch(writer_id, batch);
END $function$
;

CREATE OR REPLACE FUNCTION ledger.take_head(writer_id uuid, batch uuid, after uuid, at bigint, ids uuid[], principals text[], keys text[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  -- One statement: where somebody writes while it waits for the head, last_batch is another when it goes on.
  UPDATE journal_head h SET time = at, previous_batch = h.last_batch, last_batch = batch
  WHERE h.last_batch = after
    AND at = greatest(h.time, wall_clock() + h.clock_offset)
    AND NOT EXISTS (SELECT FROM hold WHERE expires_at <= at)
    AND NOT EXISTS (SELECT FROM transfer WHERE id = ANY (ids))
    AND NOT EXISTS (SELECT FROM failed_transfer WHERE id = ANY (ids))
    AND NOT EXISTS (SELECT FROM unnest(principals, keys) AS k (principal, key)
      CROSS JOIN LATERAL (SELECT FROM idempotency i WHERE i.principal = k.principal AND i.key = k.key OFFSET 0) AS i);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'not all is as remembered since the batch %', after
      USING ERRCODE = 'AB013', CONSTRAINT = 'journal_decided_ahead';
  END IF;
  PERFORM note_batch(writer_id, batch);
END $function$
;

CREATE OR REPLACE FUNCTION ledger.wall_clock()
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
AS $function$
BEGIN
  RETURN floor(extract(epoch FROM clock_timestamp()))::bigint;
END $function$
;

CREATE OR REPLACE FUNCTION ledger.was_written(writer_id uuid, batch uuid)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ledger', 'pg_temp'
AS $function$
BEGIN
  PERFORM FROM journal_head FOR UPDATE;
  IF EXISTS (SELECT FROM writer w WHERE w.id = writer_id AND w.last_batch = batch) THEN RETURN true; END IF;
  UPDATE journal_head h SET previous_batch = h.last_batch, last_batch = NULL;
  RETURN false;
END $function$
;

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.access_consumed_unit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.access_lock FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_access_lock BEFORE UPDATE ON ledger.access_lock FOR EACH ROW EXECUTE FUNCTION guard_access_lock();

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.access_reservation FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_access_reservation BEFORE UPDATE ON ledger.access_reservation FOR EACH ROW EXECUTE FUNCTION guard_access_reservation();

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.access_stake FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_access_stake BEFORE UPDATE ON ledger.access_stake FOR EACH ROW EXECUTE FUNCTION guard_access_stake();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.account_closing FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER apply_account_closings AFTER INSERT ON ledger.account_closing REFERENCING NEW TABLE AS new_closings FOR EACH STATEMENT EXECUTE FUNCTION apply_account_closings();

CREATE TRIGGER guard_account BEFORE INSERT ON ledger.account FOR EACH ROW EXECUTE FUNCTION guard_account();

CREATE TRIGGER record_allowance_change BEFORE INSERT OR UPDATE ON ledger.allowance FOR EACH ROW EXECUTE FUNCTION record_allowance_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.attestation FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER back_asset AFTER INSERT ON ledger.book FOR EACH ROW WHEN (((new.token)::text <> '0x0000000000000000000000000000000000000000'::text)) EXECUTE FUNCTION back_asset();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.chain_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_chain_entry BEFORE INSERT ON ledger.chain_entry FOR EACH ROW EXECUTE FUNCTION guard_chain_entry();

CREATE TRIGGER append_only BEFORE TRUNCATE ON ledger.chain_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER count_claims AFTER UPDATE ON ledger.chain_event FOR EACH ROW WHEN ((new.event = 'Claimed'::text)) EXECUTE FUNCTION count_claims();

CREATE TRIGGER guard_chain_event BEFORE DELETE OR UPDATE ON ledger.chain_event FOR EACH ROW EXECUTE FUNCTION guard_chain_event();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.chain_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER apply_chain_lines AFTER INSERT ON ledger.chain_line REFERENCING NEW TABLE AS new_chain_lines FOR EACH STATEMENT EXECUTE FUNCTION apply_chain_lines();

CREATE TRIGGER guard_epoch BEFORE INSERT ON ledger.epoch FOR EACH ROW EXECUTE FUNCTION guard_epoch();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.exit_demand FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_exit_demand BEFORE UPDATE ON ledger.exit_demand FOR EACH ROW EXECUTE FUNCTION guard_exit_demand();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.failed_transfer FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.idempotency FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.inter_ledger_arrival FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_inter_ledger_arrival AFTER INSERT ON ledger.inter_ledger_arrival FOR EACH ROW EXECUTE FUNCTION guard_inter_ledger_arrival();

CREATE TRIGGER guard_inter_ledger_transfer AFTER INSERT OR UPDATE ON ledger.inter_ledger_transfer FOR EACH ROW EXECUTE FUNCTION guard_inter_ledger_transfer();

CREATE TRIGGER keep_inter_ledger_transfer BEFORE DELETE OR TRUNCATE ON ledger.inter_ledger_transfer FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON ledger.leaf_page FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_removal AFTER DELETE ON ledger.leaf_page REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION guard_removal();

CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON ledger.leaf FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_leaves AFTER INSERT ON ledger.leaf REFERENCING NEW TABLE AS new_leaves FOR EACH STATEMENT EXECUTE FUNCTION guard_leaves();

CREATE TRIGGER guard_removal AFTER DELETE ON ledger.leaf REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION guard_removal();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.log_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_log_checkpoint BEFORE INSERT ON ledger.log_checkpoint FOR EACH ROW EXECUTE FUNCTION guard_log_checkpoint();

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.log_cosignature FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_log_cosignature BEFORE UPDATE ON ledger.log_cosignature FOR EACH ROW EXECUTE FUNCTION guard_log_cosignature();

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.log_tile FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_log_tile BEFORE INSERT OR UPDATE ON ledger.log_tile FOR EACH ROW EXECUTE FUNCTION guard_log_tile();

CREATE TRIGGER guard_removal AFTER DELETE ON ledger.outbox REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION guard_removal();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.position_change FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER apply_position_changes AFTER INSERT ON ledger.position_change REFERENCING NEW TABLE AS new_positions FOR EACH STATEMENT EXECUTE FUNCTION apply_position_changes();

CREATE TRIGGER refuse_quota_hold_change BEFORE UPDATE ON ledger.quota_hold FOR EACH ROW WHEN (((old.status <> 'open'::text) OR (new.id <> old.id) OR (new.user_id <> old.user_id) OR (new.entity_type <> old.entity_type) OR (new.day <> old.day) OR (new.created_at <> old.created_at) OR (new.expires_at < old.expires_at))) EXECUTE FUNCTION refuse_quota_hold_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.settlement_tx FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.transfer FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER apply_transfers AFTER INSERT ON ledger.transfer REFERENCING NEW TABLE AS new_transfers FOR EACH STATEMENT EXECUTE FUNCTION apply_transfers();

CREATE TRIGGER guard_changed_usage AFTER UPDATE ON ledger.usage REFERENCING OLD TABLE AS old_usage NEW TABLE AS new_usage FOR EACH STATEMENT EXECUTE FUNCTION guard_usage();

CREATE TRIGGER guard_new_usage AFTER INSERT ON ledger.usage REFERENCING NEW TABLE AS new_usage FOR EACH STATEMENT EXECUTE FUNCTION guard_usage();

CREATE TRIGGER refuse_usage_change BEFORE UPDATE ON ledger.usage FOR EACH ROW WHEN (((new.version <= old.version) OR ((new.used)::bigint < (old.used)::bigint) OR (new.told < old.told) OR (new.user_id <> old.user_id) OR (new.entity_type <> old.entity_type) OR (new.day <> old.day))) EXECUTE FUNCTION refuse_usage_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.vetoed_epoch FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.wallet_owner FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_wallet_owner BEFORE UPDATE ON ledger.wallet_owner FOR EACH ROW EXECUTE FUNCTION guard_wallet_owner();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.wallet_used FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger.wallet_user FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER guard_wallet_user BEFORE UPDATE ON ledger.wallet_user FOR EACH ROW EXECUTE FUNCTION guard_wallet_user();

CREATE TRIGGER close_webhook AFTER UPDATE ON ledger.webhook FOR EACH ROW EXECUTE FUNCTION close_webhook();

CREATE TRIGGER open_webhook AFTER INSERT ON ledger.webhook FOR EACH ROW EXECUTE FUNCTION open_webhook();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.withdrawal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT INSERT ON access_compute TO anchorbook_app;

GRANT SELECT ON access_compute TO anchorbook_app;

GRANT INSERT ON access_consumed_unit TO anchorbook_app;

GRANT SELECT ON access_consumed_unit TO anchorbook_app;

GRANT SELECT ON access_entity TO anchorbook_app;

GRANT SELECT ON access_level TO anchorbook_app;

GRANT INSERT ON access_lock TO anchorbook_app;

GRANT SELECT ON access_lock TO anchorbook_app;

GRANT SELECT ON access_requirement TO anchorbook_app;

GRANT INSERT ON access_reservation TO anchorbook_app;

GRANT SELECT ON access_reservation TO anchorbook_app;

GRANT INSERT ON access_stake TO anchorbook_app;

GRANT SELECT ON access_stake TO anchorbook_app;

GRANT SELECT ON access_tier TO anchorbook_app;

GRANT INSERT ON access_user TO anchorbook_app;

GRANT SELECT ON access_user TO anchorbook_app;

GRANT SELECT ON account TO anchorbook_app;

GRANT INSERT ON account_closing TO anchorbook_app;

GRANT SELECT ON account_closing TO anchorbook_app;

GRANT SELECT ON account_day TO anchorbook_app;

GRANT SELECT ON account_day_watermark TO anchorbook_app;

GRANT SELECT ON allowance TO anchorbook_app;

GRANT SELECT ON asset TO anchorbook_app;

GRANT SELECT ON asset_route TO anchorbook_app;

GRANT INSERT ON attestation TO anchorbook_app;

GRANT SELECT ON attestation TO anchorbook_app;

GRANT INSERT ON book TO anchorbook_app;

GRANT SELECT ON book TO anchorbook_app;

GRANT DELETE ON chain_block TO anchorbook_app;

GRANT INSERT ON chain_block TO anchorbook_app;

GRANT SELECT ON chain_block TO anchorbook_app;

GRANT SELECT ON chain_cursor TO anchorbook_app;

GRANT INSERT ON chain_entry TO anchorbook_app;

GRANT SELECT ON chain_entry TO anchorbook_app;

GRANT DELETE ON chain_event TO anchorbook_app;

GRANT INSERT ON chain_event TO anchorbook_app;

GRANT SELECT ON chain_event TO anchorbook_app;

GRANT INSERT ON chain_line TO anchorbook_app;

GRANT SELECT ON chain_line TO anchorbook_app;

GRANT INSERT ON epoch TO anchorbook_app;

GRANT SELECT ON epoch TO anchorbook_app;

GRANT SELECT ON event TO anchorbook_app;

GRANT INSERT ON exit_demand TO anchorbook_app;

GRANT SELECT ON exit_demand TO anchorbook_app;

GRANT INSERT ON failed_transfer TO anchorbook_app;

GRANT SELECT ON failed_transfer TO anchorbook_app;

GRANT SELECT ON hold TO anchorbook_app;

GRANT INSERT ON idempotency TO anchorbook_app;

GRANT SELECT ON idempotency TO anchorbook_app;

GRANT INSERT ON inter_ledger_arrival TO anchorbook_app;

GRANT SELECT ON inter_ledger_arrival TO anchorbook_app;

GRANT INSERT ON inter_ledger_transfer TO anchorbook_app;

GRANT SELECT ON inter_ledger_transfer TO anchorbook_app;

GRANT SELECT ON journal_head TO anchorbook_app;

GRANT INSERT ON leaf TO anchorbook_app;

GRANT SELECT ON leaf TO anchorbook_app;

GRANT SELECT ON leaf_page TO anchorbook_app;

GRANT SELECT ON ledger_identity TO anchorbook_app;

GRANT SELECT ON line_effect TO anchorbook_app;

GRANT INSERT ON log_checkpoint TO anchorbook_app;

GRANT SELECT ON log_checkpoint TO anchorbook_app;

GRANT INSERT ON log_cosignature TO anchorbook_app;

GRANT SELECT ON log_cosignature TO anchorbook_app;

GRANT INSERT ON log_tile TO anchorbook_app;

GRANT SELECT ON log_tile TO anchorbook_app;

GRANT SELECT ON migration TO anchorbook_app;

GRANT INSERT ON outbox TO anchorbook_app;

GRANT SELECT ON outbox TO anchorbook_app;

GRANT INSERT ON owner TO anchorbook_app;

GRANT SELECT ON owner TO anchorbook_app;

GRANT INSERT ON owner_wallet TO anchorbook_app;

GRANT SELECT ON owner_wallet TO anchorbook_app;

GRANT SELECT ON position TO anchorbook_app;

GRANT INSERT ON position_change TO anchorbook_app;

GRANT SELECT ON position_change TO anchorbook_app;

GRANT INSERT ON quota_hold TO anchorbook_app;

GRANT SELECT ON quota_hold TO anchorbook_app;

GRANT SELECT ON quota_kind TO anchorbook_app;

GRANT SELECT ON section_count TO anchorbook_app;

GRANT INSERT ON settlement_tx TO anchorbook_app;

GRANT SELECT ON settlement_tx TO anchorbook_app;

GRANT INSERT ON transfer TO anchorbook_app;

GRANT SELECT ON transfer TO anchorbook_app;

GRANT INSERT ON usage TO anchorbook_app;

GRANT SELECT ON usage TO anchorbook_app;

GRANT SELECT ON usage_hour TO anchorbook_app;

GRANT SELECT ON vetoed_epoch TO anchorbook_app;

GRANT INSERT ON wallet_owner TO anchorbook_app;

GRANT SELECT ON wallet_owner TO anchorbook_app;

GRANT INSERT ON wallet_used TO anchorbook_app;

GRANT SELECT ON wallet_used TO anchorbook_app;

GRANT INSERT ON wallet_user TO anchorbook_app;

GRANT SELECT ON wallet_user TO anchorbook_app;

GRANT INSERT ON webhook TO anchorbook_app;

GRANT SELECT ON webhook TO anchorbook_app;

GRANT DELETE ON webhook_dead_letter TO anchorbook_app;

GRANT INSERT ON webhook_dead_letter TO anchorbook_app;

GRANT SELECT ON webhook_dead_letter TO anchorbook_app;

GRANT SELECT ON webhook_delivery TO anchorbook_app;

GRANT UPDATE ON webhook_delivery TO anchorbook_app;

GRANT SELECT ON webhook_secret TO anchorbook_app;

GRANT INSERT ON withdrawal TO anchorbook_app;

GRANT SELECT ON withdrawal TO anchorbook_app;

GRANT SELECT ON writer TO anchorbook_app;

GRANT UPDATE (active) ON access_compute TO anchorbook_app;

GRANT UPDATE (quota_per_day) ON access_compute TO anchorbook_app;

GRANT UPDATE (reserved_until) ON access_compute TO anchorbook_app;

GRANT UPDATE (counterparty_asks_end) ON access_lock TO anchorbook_app;

GRANT UPDATE (ended_at) ON access_lock TO anchorbook_app;

GRANT UPDATE (ended_by) ON access_lock TO anchorbook_app;

GRANT UPDATE (locker_asks_end) ON access_lock TO anchorbook_app;

GRANT UPDATE (status) ON access_lock TO anchorbook_app;

GRANT UPDATE (ended_at) ON access_reservation TO anchorbook_app;

GRANT UPDATE (ended_by) ON access_reservation TO anchorbook_app;

GRANT UPDATE (status) ON access_reservation TO anchorbook_app;

GRANT UPDATE (amount) ON access_stake TO anchorbook_app;

GRANT UPDATE (end_reason) ON access_stake TO anchorbook_app;

GRANT UPDATE (ended_at) ON access_stake TO anchorbook_app;

GRANT UPDATE (ended_by) ON access_stake TO anchorbook_app;

GRANT UPDATE (expires_at) ON access_stake TO anchorbook_app;

GRANT UPDATE (status) ON access_stake TO anchorbook_app;

GRANT UPDATE (tier) ON access_stake TO anchorbook_app;

GRANT UPDATE (active_locks) ON access_user TO anchorbook_app;

GRANT UPDATE (active_reservations) ON access_user TO anchorbook_app;

GRANT UPDATE (active_stakes) ON access_user TO anchorbook_app;

GRANT UPDATE (locked) ON access_user TO anchorbook_app;

GRANT UPDATE (quota_by_entity) ON access_user TO anchorbook_app;

GRANT UPDATE (reserved) ON access_user TO anchorbook_app;

GRANT UPDATE (staked) ON access_user TO anchorbook_app;

GRANT UPDATE (stakes_by_tier) ON access_user TO anchorbook_app;

GRANT INSERT (asset) ON account TO anchorbook_app;

GRANT INSERT (created_at) ON account TO anchorbook_app;

GRANT INSERT (credit_allowance) ON account TO anchorbook_app;

GRANT INSERT (debit_allowance) ON account TO anchorbook_app;

GRANT INSERT (id) ON account TO anchorbook_app;

GRANT INSERT (metadata) ON account TO anchorbook_app;

GRANT INSERT (owner) ON account TO anchorbook_app;

GRANT INSERT (reference) ON account TO anchorbook_app;

GRANT INSERT (role) ON account TO anchorbook_app;

GRANT INSERT (entity_type) ON allowance TO anchorbook_app;

GRANT INSERT (quota_per_day) ON allowance TO anchorbook_app;

GRANT UPDATE (quota_per_day) ON allowance TO anchorbook_app;

GRANT INSERT (user_id) ON allowance TO anchorbook_app;

GRANT INSERT (version) ON allowance TO anchorbook_app;

GRANT UPDATE (version) ON allowance TO anchorbook_app;

GRANT UPDATE (attesters) ON book TO anchorbook_app;

GRANT UPDATE (chain_time) ON book TO anchorbook_app;

GRANT UPDATE (challenge_window) ON book TO anchorbook_app;

GRANT UPDATE (threshold) ON book TO anchorbook_app;

GRANT UPDATE (hash) ON chain_block TO anchorbook_app;

GRANT INSERT (book) ON chain_cursor TO anchorbook_app;

GRANT INSERT (checked_block) ON chain_cursor TO anchorbook_app;

GRANT UPDATE (checked_block) ON chain_cursor TO anchorbook_app;

GRANT UPDATE (complete_time) ON chain_cursor TO anchorbook_app;

GRANT INSERT (final_block) ON chain_cursor TO anchorbook_app;

GRANT UPDATE (final_block) ON chain_cursor TO anchorbook_app;

GRANT UPDATE (final_time) ON chain_cursor TO anchorbook_app;

GRANT INSERT (latest_block) ON chain_cursor TO anchorbook_app;

GRANT UPDATE (latest_block) ON chain_cursor TO anchorbook_app;

GRANT INSERT (looked_at_ms) ON chain_cursor TO anchorbook_app;

GRANT UPDATE (looked_at_ms) ON chain_cursor TO anchorbook_app;

GRANT INSERT (seen_block) ON chain_cursor TO anchorbook_app;

GRANT UPDATE (seen_block) ON chain_cursor TO anchorbook_app;

GRANT UPDATE (block) ON chain_event TO anchorbook_app;

GRANT UPDATE (block_hash) ON chain_event TO anchorbook_app;

GRANT UPDATE (block_time) ON chain_event TO anchorbook_app;

GRANT UPDATE (final) ON chain_event TO anchorbook_app;

GRANT UPDATE (lost) ON chain_event TO anchorbook_app;

GRANT UPDATE (seq) ON chain_event TO anchorbook_app;

GRANT UPDATE (status) ON epoch TO anchorbook_app;

GRANT UPDATE (served_at) ON exit_demand TO anchorbook_app;

GRANT UPDATE (served_seq) ON exit_demand TO anchorbook_app;

GRANT UPDATE (swept) ON exit_demand TO anchorbook_app;

GRANT UPDATE (swept_at) ON exit_demand TO anchorbook_app;

GRANT UPDATE (swept_seq) ON exit_demand TO anchorbook_app;

GRANT UPDATE (arrival_id) ON inter_ledger_transfer TO anchorbook_app;

GRANT UPDATE (reason) ON inter_ledger_transfer TO anchorbook_app;

GRANT UPDATE (resolved_at) ON inter_ledger_transfer TO anchorbook_app;

GRANT UPDATE (state) ON inter_ledger_transfer TO anchorbook_app;

GRANT UPDATE (line) ON log_cosignature TO anchorbook_app;

GRANT UPDATE (time) ON log_cosignature TO anchorbook_app;

GRANT UPDATE (hashes) ON log_tile TO anchorbook_app;

GRANT UPDATE (block_hash) ON outbox TO anchorbook_app;

GRANT UPDATE (block_number) ON outbox TO anchorbook_app;

GRANT UPDATE (block_time) ON outbox TO anchorbook_app;

GRANT UPDATE (gas_used) ON outbox TO anchorbook_app;

GRANT UPDATE (tx_hash) ON outbox TO anchorbook_app;

GRANT UPDATE (proof) ON owner_wallet TO anchorbook_app;

GRANT UPDATE (wallet) ON owner_wallet TO anchorbook_app;

GRANT UPDATE (wallet_address) ON owner TO anchorbook_app;

GRANT UPDATE (committed) ON quota_hold TO anchorbook_app;

GRANT UPDATE (ended_at) ON quota_hold TO anchorbook_app;

GRANT UPDATE (expires_at) ON quota_hold TO anchorbook_app;

GRANT UPDATE (status) ON quota_hold TO anchorbook_app;

GRANT UPDATE (units) ON quota_hold TO anchorbook_app;

GRANT UPDATE (thresholds) ON quota_kind TO anchorbook_app;

GRANT UPDATE (held) ON usage TO anchorbook_app;

GRANT UPDATE (next_expiry) ON usage TO anchorbook_app;

GRANT UPDATE (told) ON usage TO anchorbook_app;

GRANT UPDATE (used) ON usage TO anchorbook_app;

GRANT UPDATE (version) ON usage TO anchorbook_app;

GRANT UPDATE (linked_at) ON wallet_owner TO anchorbook_app;

GRANT UPDATE (announced_at) ON wallet_user TO anchorbook_app;

GRANT UPDATE (announced_number) ON wallet_user TO anchorbook_app;

GRANT UPDATE (announced_wallet) ON wallet_user TO anchorbook_app;

GRANT UPDATE (announcement) ON wallet_user TO anchorbook_app;

GRANT UPDATE (carried) ON wallet_user TO anchorbook_app;

GRANT UPDATE (linked_at) ON wallet_user TO anchorbook_app;

GRANT UPDATE (linked_by) ON wallet_user TO anchorbook_app;

GRANT UPDATE (number) ON wallet_user TO anchorbook_app;

GRANT UPDATE (wallet) ON wallet_user TO anchorbook_app;

GRANT UPDATE (attempts) ON webhook_dead_letter TO anchorbook_app;

GRANT UPDATE (died_at) ON webhook_dead_letter TO anchorbook_app;

GRANT UPDATE (error) ON webhook_dead_letter TO anchorbook_app;

GRANT UPDATE (deleted_at) ON webhook TO anchorbook_app;

GRANT UPDATE (replay_from) ON webhook TO anchorbook_app;

GRANT UPDATE (replays) ON webhook TO anchorbook_app;

GRANT EXECUTE ON FUNCTION account_effects(of_account uuid, from_seq bigint, until_seq bigint) TO anchorbook_app;

GRANT EXECUTE ON FUNCTION advance_account_days(most bigint) TO anchorbook_app;

GRANT EXECUTE ON FUNCTION append_events(types text[], subjects text[], details jsonb[]) TO anchorbook_app;

GRANT EXECUTE ON FUNCTION create_asset(new_code text, new_scale smallint, is_transferable boolean, is_mintable boolean, cap numeric, now bigint) TO anchorbook_app;

GRANT EXECUTE ON FUNCTION ledger_now() TO anchorbook_app;

GRANT EXECUTE ON FUNCTION release_vetoed(of_book integer, first_number bigint, first_hash text) TO anchorbook_app;

GRANT EXECUTE ON FUNCTION take_head() TO anchorbook_app;

GRANT EXECUTE ON FUNCTION take_head(writer_id uuid, batch uuid, OUT next_seq bigint, OUT now bigint, OUT previous uuid, OUT any_due boolean, OUT clock_ms bigint) TO anchorbook_app;

GRANT EXECUTE ON FUNCTION take_head(writer_id uuid, batch uuid, after uuid, at bigint, ids uuid[], principals text[], keys text[]) TO anchorbook_app;

GRANT EXECUTE ON FUNCTION take_head(writer_id uuid, batch uuid, after uuid, at bigint) TO anchorbook_app;

GRANT EXECUTE ON FUNCTION was_written(writer_id uuid, batch uuid) TO anchorbook_app;
