-- The access program: TST, its rules as data, and what users hold under them.
-- Amounts are base units (TST has 18 decimals), times are Unix seconds.

-- TST: fixed supply. Its routes are cut to what the program does: out of custody once, and for what comes in on-chain;
-- from the treasury to a user; between a user's own accounts; between the ledger and a user's own wallet.
SELECT create_asset('TST', 18::smallint, false, false, 1000000000000000000000000,
  floor(extract(epoch FROM clock_timestamp()))::bigint);
UPDATE asset SET program = 'access' WHERE code = 'TST';
DELETE FROM asset_route
WHERE asset = 'TST' AND (from_role, to_role) NOT IN (
  ('custody', 'treasury'), ('custody', 'available'), ('treasury', 'available'),
  ('available', 'locked'), ('locked', 'available'),
  ('available', 'staked'), ('staked', 'available'),
  ('available', 'reserved'), ('reserved', 'available'),
  ('available', 'payouts'), ('locked', 'payouts'), ('staked', 'payouts'), ('reserved', 'payouts'),
  ('deposited', 'payouts'), ('treasury', 'payouts'), ('payouts', 'custody'),
  ('custody', 'deposited'), ('deposited', 'available'), ('deposited', 'treasury'));

-- The rules. Tier 0 is a user without an active stake.
CREATE TABLE access_tier (
  tier integer PRIMARY KEY CHECK (tier BETWEEN 0 AND 100),
  required_tst base_units NOT NULL CHECK ((tier = 0) = (required_tst = 0)),
  quota_per_day integer NOT NULL CHECK (quota_per_day >= 0),
  duration_days integer NOT NULL DEFAULT 30 CHECK (duration_days BETWEEN 1 AND 365),
  cooldown text NOT NULL,
  analyses_per_day integer,
  max_capital text,
  benefits text[] NOT NULL DEFAULT '{}',
  CONSTRAINT access_tier_limits CHECK (tier = 0 OR (analyses_per_day IS NOT NULL AND max_capital IS NOT NULL))
);
INSERT INTO access_tier (tier, required_tst, quota_per_day, cooldown, analyses_per_day, max_capital, benefits) VALUES
  (0, 0, 1, '24 hours', NULL, NULL, '{}'),
  (1, 5000000000000000000, 5, '12 hours', 3, '50000', ARRAY['5 entity reserves/day']),
  (2, 25000000000000000000, 10, '6 hours', 10, '250000', ARRAY['10 entity reserves/day', 'Extended compute quota']),
  (3, 100000000000000000000, 20, '1 hour', 50, '1000000', ARRAY['20 entity reserves/day', 'Unlimited compute quota']);

CREATE TABLE access_level (
  level integer PRIMARY KEY CHECK (level BETWEEN 1 AND 100),
  required_tst base_units NOT NULL UNIQUE CHECK (required_tst > 0),
  benefits text[] NOT NULL DEFAULT '{}'
);
INSERT INTO access_level (level, required_tst, benefits) VALUES
  (1, 10000000000000000000, ARRAY['Agreement commitment of level 1']),
  (2, 50000000000000000000, ARRAY['Agreement commitment of level 2']),
  (3, 250000000000000000000, ARRAY['Agreement commitment of level 3']);

CREATE TABLE access_entity (
  entity_type integer PRIMARY KEY CHECK (entity_type BETWEEN 1 AND 100),
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z_]{1,32}$'),
  required_tst base_units NOT NULL CHECK (required_tst > 0),
  -- What one reservation adds to a day's quota.
  quota_per_day integer NOT NULL CHECK (quota_per_day > 0)
);
INSERT INTO access_entity (entity_type, name, required_tst, quota_per_day) VALUES
  (1, 'risk', 5000000000000000000, 10),
  (2, 'strategy', 5000000000000000000, 5),
  (3, 'memory', 5000000000000000000, 5);

-- What GET /tst/requirements says of an action. The amounts come from the rules:
-- of one tier, level or entity where `subject_value` names it, else the least of them.
CREATE TABLE access_requirement (
  action text PRIMARY KEY CHECK (action ~ '^[a-z0-9_]{1,64}$'),
  subject text NOT NULL CHECK (subject IN ('level', 'tier', 'entity')),
  subject_value integer,
  reason text NOT NULL,
  description text NOT NULL,
  tier_required integer NOT NULL DEFAULT 0
);
INSERT INTO access_requirement (action, subject, subject_value, reason, description) VALUES
  ('lock_p2p', 'level', NULL, 'Secures commitment for agreement duration',
    'Lock TST for a P2P agreement; it returns to the locker when the lock ends'),
  ('p2p_agreement', 'level', NULL, 'Secures commitment for agreement duration',
    'Lock TST for a P2P agreement; it returns to the locker when the lock ends'),
  ('upgrade_tier', 'tier', NULL, 'Unlocks higher daily quotas and shorter cooldowns',
    'Upgrade access tier to unlock compute quotas'),
  ('tier_1', 'tier', 1, 'Unlocks access tier 1 for 30 days', 'Upgrade to access tier 1'),
  ('tier_2', 'tier', 2, 'Unlocks access tier 2 for 30 days', 'Upgrade to access tier 2'),
  ('tier_3', 'tier', 3, 'Unlocks access tier 3 for 30 days', 'Upgrade to access tier 3'),
  ('reserve_entity', 'entity', NULL, 'Holds compute quota beyond the tier''s own',
    'Reserve compute of an entity to raise its daily quota'),
  ('entity_risk', 'entity', 1, 'Holds compute quota beyond the tier''s own',
    'Reserve compute of the risk entity to raise its daily quota'),
  ('entity_strategy', 'entity', 2, 'Holds compute quota beyond the tier''s own',
    'Reserve compute of the strategy entity to raise its daily quota'),
  ('entity_memory', 'entity', 3, 'Holds compute quota beyond the tier''s own',
    'Reserve compute of the memory entity to raise its daily quota');

-- A user's totals, kept by the units that change them, so that no answer and no
-- decision has to add up a user's history.
CREATE TABLE access_user (
  user_id text PRIMARY KEY,
  locked base_units NOT NULL DEFAULT 0,
  staked base_units NOT NULL DEFAULT 0,
  reserved base_units NOT NULL DEFAULT 0,
  active_locks bigint NOT NULL DEFAULT 0 CHECK (active_locks >= 0),
  active_stakes bigint NOT NULL DEFAULT 0 CHECK (active_stakes >= 0),
  active_reservations bigint NOT NULL DEFAULT 0 CHECK (active_reservations >= 0),
  -- {"2": 3}: three active stakes of tier 2.
  stakes_by_tier jsonb NOT NULL DEFAULT '{}',
  -- {"1": 20}: reservations add 20 a day to entity type 1.
  quota_by_entity jsonb NOT NULL DEFAULT '{}',
  CONSTRAINT access_user_totals CHECK (
    (active_locks = 0) = (locked = 0) AND (active_stakes = 0) = (staked = 0)
    AND (active_reservations = 0) = (reserved = 0))
) WITH (fillfactor = 60);

CREATE TABLE access_lock (
  id text PRIMARY KEY,
  -- In the order in which locks were made: many begin in one second.
  place bigint GENERATED ALWAYS AS IDENTITY,
  agreement_id text NOT NULL,
  user_id text NOT NULL,
  counterparty_id text,
  account uuid NOT NULL,
  amount base_units NOT NULL CHECK (amount > 0),
  level integer NOT NULL,
  created_at bigint NOT NULL,
  locked_until bigint NOT NULL,
  status text NOT NULL CHECK (status IN ('locked', 'released', 'terminated')),
  ended_at bigint,
  -- Who wants it ended early; an arbiter who ended it stands in ended_by.
  locker_asks_end boolean NOT NULL DEFAULT false,
  counterparty_asks_end boolean NOT NULL DEFAULT false,
  ended_by text,
  CONSTRAINT access_lock_period CHECK (locked_until BETWEEN created_at + 86400 AND created_at + 365 * 86400),
  CONSTRAINT access_lock_parties CHECK (counterparty_id <> user_id),
  CONSTRAINT access_lock_counterparty_asks CHECK (NOT counterparty_asks_end OR counterparty_id IS NOT NULL),
  CONSTRAINT access_lock_ended CHECK ((status = 'locked') = (ended_at IS NULL)),
  CONSTRAINT access_lock_not_before_due CHECK (status <> 'released' OR ended_at >= locked_until),
  CONSTRAINT access_lock_terminated_by_right CHECK (
    status <> 'terminated' OR ended_by IS NOT NULL OR (locker_asks_end AND counterparty_asks_end))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX access_lock_active ON access_lock (agreement_id) WHERE status = 'locked';
CREATE INDEX access_lock_agreement ON access_lock (agreement_id, place DESC);
CREATE INDEX access_lock_of_user ON access_lock (user_id, created_at DESC, id DESC) WHERE status = 'locked';
CREATE INDEX access_lock_due ON access_lock (locked_until, id) WHERE status = 'locked';

CREATE TABLE access_stake (
  id text PRIMARY KEY,
  place bigint GENERATED ALWAYS AS IDENTITY,
  user_id text NOT NULL,
  strategy_id text NOT NULL,
  account uuid NOT NULL,
  tier integer NOT NULL CHECK (tier > 0),
  amount base_units NOT NULL CHECK (amount > 0),
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL CHECK (expires_at > created_at),
  status text NOT NULL CHECK (status IN ('staked', 'expired')),
  ended_at bigint,
  -- Where it did not simply run out: the operator who ended it, and why.
  ended_by text,
  end_reason text,
  CONSTRAINT access_stake_ended CHECK ((status = 'staked') = (ended_at IS NULL)),
  CONSTRAINT access_stake_not_before_due CHECK (status = 'staked' OR ended_by IS NOT NULL OR ended_at >= expires_at),
  CONSTRAINT access_stake_end_reason CHECK ((ended_by IS NULL) = (end_reason IS NULL))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX access_stake_active ON access_stake (user_id, strategy_id) WHERE status = 'staked';
CREATE INDEX access_stake_of_strategy ON access_stake (user_id, strategy_id, place DESC);
CREATE INDEX access_stake_of_user ON access_stake (user_id, created_at DESC, id DESC) WHERE status = 'staked';
CREATE INDEX access_stake_tier ON access_stake (user_id, tier, expires_at) WHERE status = 'staked';
CREATE INDEX access_stake_due ON access_stake (expires_at, id) WHERE status = 'staked';

CREATE TABLE access_reservation (
  id text PRIMARY KEY,
  user_id text NOT NULL,
  entity_type integer NOT NULL,
  entity_id text NOT NULL,
  account uuid NOT NULL,
  amount base_units NOT NULL CHECK (amount > 0),
  quota_per_day integer NOT NULL CHECK (quota_per_day > 0),
  created_at bigint NOT NULL,
  reserved_until bigint NOT NULL,
  status text NOT NULL CHECK (status IN ('reserved', 'expired')),
  ended_at bigint,
  -- Where it did not simply run out: who ended it.
  ended_by text,
  CONSTRAINT access_reservation_period CHECK (reserved_until BETWEEN created_at + 86400 AND created_at + 365 * 86400),
  CONSTRAINT access_reservation_ended CHECK ((status = 'reserved') = (ended_at IS NULL)),
  CONSTRAINT access_reservation_not_before_due
    CHECK (status = 'reserved' OR ended_by IS NOT NULL OR ended_at >= reserved_until)
) WITH (fillfactor = 80);
CREATE INDEX access_reservation_of_account ON access_reservation (account, id) WHERE status = 'reserved';
CREATE INDEX access_reservation_due ON access_reservation (reserved_until, id) WHERE status = 'reserved';

-- All active reservations of a user for one entity: they settle as one position.
CREATE TABLE access_compute (
  user_id text NOT NULL,
  entity_type integer NOT NULL,
  entity_id text NOT NULL,
  active bigint NOT NULL CHECK (active >= 0),
  quota_per_day bigint NOT NULL CHECK (quota_per_day >= 0),
  reserved_until bigint NOT NULL,
  PRIMARY KEY (user_id, entity_type, entity_id),
  CONSTRAINT access_compute_totals CHECK ((active = 0) = (quota_per_day = 0))
) WITH (fillfactor = 80);

-- One row for each unit of quota that was used.
CREATE TABLE access_consumed_unit (
  id text PRIMARY KEY,
  user_id text NOT NULL,
  entity_type integer NOT NULL,
  entity_id text NOT NULL,
  created_at bigint NOT NULL
);

-- What ended never becomes active again, and what was agreed is never rewritten.
CREATE FUNCTION guard_access_lock() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
END $$;
CREATE TRIGGER guard_access_lock BEFORE UPDATE ON access_lock FOR EACH ROW EXECUTE FUNCTION guard_access_lock();

CREATE FUNCTION guard_access_stake() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF OLD.status <> 'staked'
    OR (NEW.id, NEW.user_id, NEW.strategy_id, NEW.account, NEW.created_at)
      IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.strategy_id, OLD.account, OLD.created_at)
    OR NEW.tier < OLD.tier OR NEW.amount < OLD.amount
    OR (NEW.tier = OLD.tier AND (NEW.amount, NEW.expires_at) IS DISTINCT FROM (OLD.amount, OLD.expires_at)) THEN
    RAISE EXCEPTION 'stake % cannot become this', OLD.id USING ERRCODE = 'AB008', CONSTRAINT = 'access_stake_transition';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_access_stake BEFORE UPDATE ON access_stake FOR EACH ROW EXECUTE FUNCTION guard_access_stake();

CREATE FUNCTION guard_access_reservation() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
END $$;
CREATE TRIGGER guard_access_reservation BEFORE UPDATE ON access_reservation
  FOR EACH ROW EXECUTE FUNCTION guard_access_reservation();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_consumed_unit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON access_lock
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON access_stake
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON access_reservation
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$ BEGIN
  EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END $$;
GRANT SELECT ON access_tier, access_level, access_entity, access_requirement, access_user, access_lock,
  access_stake, access_reservation, access_compute, access_consumed_unit TO anchorbook_app;
GRANT INSERT ON access_user, access_lock, access_stake, access_reservation, access_compute, access_consumed_unit
  TO anchorbook_app;
GRANT UPDATE (locked, staked, reserved, active_locks, active_stakes, active_reservations, stakes_by_tier, quota_by_entity)
  ON access_user TO anchorbook_app;
GRANT UPDATE (status, ended_at, ended_by, locker_asks_end, counterparty_asks_end) ON access_lock TO anchorbook_app;
GRANT UPDATE (tier, amount, expires_at, status, ended_at, ended_by, end_reason) ON access_stake TO anchorbook_app;
GRANT UPDATE (status, ended_at, ended_by) ON access_reservation TO anchorbook_app;
GRANT UPDATE (active, quota_per_day, reserved_until) ON access_compute TO anchorbook_app;
