-- Quotas: how much of an entity type a user may use a UTC day, and what of it was
-- used. These tables are the truth; counters elsewhere may deny, never admit. Days
-- are counted from 1970-01-01 UTC in ledger time.

-- Far below 2^53, so that a sum of them is exact in every language that reads it.
CREATE DOMAIN quota_units AS bigint CHECK (VALUE BETWEEN 0 AND 1000000000000);

CREATE TABLE quota_kind (
  id smallint PRIMARY KEY CHECK (id > 0),
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,31}$'),
  -- For a user who was given no allowance of their own.
  default_per_day quota_units NOT NULL,
  -- Per cent of a day's quota: reaching each of them is told of once a day.
  thresholds smallint[] NOT NULL DEFAULT '{50,80,100}',
  CONSTRAINT quota_kind_thresholds CHECK (
    cardinality(thresholds) <= 10 AND 1 <= ALL (thresholds) AND 100 >= ALL (thresholds)
    AND array_position(thresholds, NULL) IS NULL)
);
INSERT INTO quota_kind (id, name, default_per_day) VALUES (1, 'risk', 1), (2, 'strategy', 1), (3, 'memory', 1);

CREATE TABLE allowance (
  user_id text NOT NULL CHECK (length(user_id) BETWEEN 1 AND 128),
  entity_type smallint NOT NULL REFERENCES quota_kind,
  quota_per_day quota_units NOT NULL,
  -- Grows with every change: of two states of a quota the newer one can be told.
  version bigint NOT NULL CHECK (version > 0),
  -- The highest limit that was in force earlier in the transaction that changed it
  -- last: units of one batch may use a quota first and lower it after.
  limit_before quota_units NOT NULL,
  changed_in xid8 NOT NULL,
  PRIMARY KEY (user_id, entity_type)
) WITH (fillfactor = 70);

CREATE TABLE usage (
  user_id text NOT NULL CHECK (length(user_id) BETWEEN 1 AND 128),
  entity_type smallint NOT NULL,
  day integer NOT NULL CHECK (day >= 0),
  used quota_units NOT NULL,
  -- The sum of the open holds; counts as if it were used.
  held quota_units NOT NULL,
  version bigint NOT NULL CHECK (version > 0),
  -- When the first of the open holds expires: until then nobody has to look at them.
  next_expiry bigint,
  -- The highest threshold that was told of; 0: none.
  told smallint NOT NULL DEFAULT 0 CHECK (told BETWEEN 0 AND 100),
  PRIMARY KEY (user_id, entity_type, day),
  CONSTRAINT usage_next_expiry CHECK ((held = 0) = (next_expiry IS NULL))
) WITH (fillfactor = 60);

-- Units taken out of a day before it is known how many will be needed. A hold keeps the
-- day it was made on and ends once; from `expires_at` on it holds nothing, whether or
-- not anybody has written that down yet.
CREATE TABLE quota_hold (
  id text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
  user_id text NOT NULL CHECK (length(user_id) BETWEEN 1 AND 128),
  entity_type smallint NOT NULL REFERENCES quota_kind,
  day integer NOT NULL,
  units quota_units NOT NULL CHECK (units > 0),
  reference text CHECK (length(reference) BETWEEN 1 AND 128),
  -- The principal that made it.
  created_by text NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  status text NOT NULL CHECK (status IN ('open', 'committed', 'released', 'expired')),
  -- What it cost in the end.
  committed quota_units,
  ended_at bigint,
  CONSTRAINT quota_hold_day CHECK (day = created_at / 86400),
  CONSTRAINT quota_hold_state CHECK (
    (status = 'open') = (ended_at IS NULL) AND (status = 'committed') = (committed IS NOT NULL)),
  CONSTRAINT quota_hold_times CHECK (
    expires_at > created_at AND ended_at >= created_at
    AND CASE status WHEN 'expired' THEN ended_at >= expires_at WHEN 'open' THEN true ELSE ended_at < expires_at END)
) WITH (fillfactor = 80);
CREATE INDEX quota_hold_open ON quota_hold (user_id, entity_type, day) WHERE status = 'open';
CREATE INDEX quota_hold_due ON quota_hold (expires_at) WHERE status = 'open';

-- What was used in each hour, counted from 1970-01-01 UTC. Written by the guard of `usage` in
-- the statement that uses, by nobody else, so that the hours of a day add up to its usage.
CREATE TABLE usage_hour (
  user_id text NOT NULL,
  entity_type smallint NOT NULL,
  hour integer NOT NULL,
  used quota_units NOT NULL,
  PRIMARY KEY (user_id, entity_type, hour)
) WITH (fillfactor = 60);

CREATE FUNCTION record_allowance_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
END $$;
CREATE TRIGGER record_allowance_change BEFORE INSERT OR UPDATE ON allowance
  FOR EACH ROW EXECUTE FUNCTION record_allowance_change();

-- What was used is never given back, and a version never comes twice. The condition
-- of the trigger is evaluated without a call, so a good row costs nothing here.
CREATE FUNCTION refuse_usage_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  RAISE EXCEPTION 'usage keeps its key, never shrinks, and gets a higher version with every change'
    USING ERRCODE = 'AB010', CONSTRAINT = 'usage_only_grows';
END $$;
CREATE TRIGGER refuse_usage_change BEFORE UPDATE ON usage FOR EACH ROW
  WHEN (NEW.version <= OLD.version OR NEW.used < OLD.used OR NEW.told < OLD.told
    OR NEW.user_id <> OLD.user_id OR NEW.entity_type <> OLD.entity_type OR NEW.day <> OLD.day)
  EXECUTE FUNCTION refuse_usage_change();

CREATE FUNCTION refuse_quota_hold_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  RAISE EXCEPTION 'a hold of quota ends once and never changes after'
    USING ERRCODE = 'AB010', CONSTRAINT = 'quota_hold_ends_once';
END $$;
CREATE TRIGGER refuse_quota_hold_change BEFORE UPDATE ON quota_hold FOR EACH ROW
  WHEN (OLD.status <> 'open' OR NEW.id <> OLD.id OR NEW.user_id <> OLD.user_id OR NEW.entity_type <> OLD.entity_type
    OR NEW.day <> OLD.day OR NEW.created_at <> OLD.created_at OR NEW.expires_at < OLD.expires_at)
  EXECUTE FUNCTION refuse_quota_hold_change();

-- used + held grows only today and only up to the allowance in force; what is held is held
-- by open holds. One check a statement, on arrays: both transition tables hold their rows in
-- the same order, which is compared rather than trusted. Nested loops over primary keys, as
-- in apply_transfers.
CREATE FUNCTION guard_usage() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
SET jit = off AS $$
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
END $$;
CREATE TRIGGER guard_new_usage AFTER INSERT ON usage
  REFERENCING NEW TABLE AS new_usage FOR EACH STATEMENT EXECUTE FUNCTION guard_usage();
CREATE TRIGGER guard_changed_usage AFTER UPDATE ON usage
  REFERENCING OLD TABLE AS old_usage NEW TABLE AS new_usage FOR EACH STATEMENT EXECUTE FUNCTION guard_usage();

REVOKE EXECUTE ON FUNCTION record_allowance_change(), refuse_usage_change(), refuse_quota_hold_change(), guard_usage()
  FROM PUBLIC;
GRANT SELECT ON quota_kind, allowance, usage, quota_hold, usage_hour TO anchorbook_app;
GRANT UPDATE (thresholds) ON quota_kind TO anchorbook_app;
GRANT INSERT (user_id, entity_type, quota_per_day, version) ON allowance TO anchorbook_app;
GRANT UPDATE (quota_per_day, version) ON allowance TO anchorbook_app;
GRANT INSERT ON usage TO anchorbook_app;
GRANT UPDATE (used, held, version, next_expiry, told) ON usage TO anchorbook_app;
GRANT INSERT ON quota_hold TO anchorbook_app;
GRANT UPDATE (units, expires_at, status, committed, ended_at) ON quota_hold TO anchorbook_app;
