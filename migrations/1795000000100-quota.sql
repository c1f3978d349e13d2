-- Quotas: how much of an entity type a user may use a UTC day, and what of it was
-- used. These tables are the truth; counters elsewhere may deny, never admit. Days
-- are counted from 1970-01-01 UTC in ledger time.

-- Far below 2^53, so that a sum of them is exact in every language that reads it.
CREATE DOMAIN quota_units AS bigint CHECK (VALUE BETWEEN 0 AND 1000000000000);

CREATE TABLE quota_kind (
  id smallint PRIMARY KEY CHECK (id > 0),
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,31}$'),
  -- For a user who was given no allowance of their own.
  default_per_day quota_units NOT NULL
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
  -- Reserved, not yet committed or released; counts as if it were used.
  held quota_units NOT NULL,
  version bigint NOT NULL CHECK (version > 0),
  PRIMARY KEY (user_id, entity_type, day)
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
  WHEN (NEW.version <= OLD.version OR NEW.used < OLD.used
    OR NEW.user_id <> OLD.user_id OR NEW.entity_type <> OLD.entity_type OR NEW.day <> OLD.day)
  EXECUTE FUNCTION refuse_usage_change();

-- used + held grows only today and only up to the allowance in force. One check a
-- statement, on arrays: both transition tables hold their rows in the same order, which
-- is compared rather than trusted. Nested loops over primary keys, as in apply_transfers.
CREATE FUNCTION guard_usage() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_custom_plan
SET jit = off AS $$
DECLARE
  users text[]; types smallint[]; days integer[]; totals bigint[];
  old_users text[]; old_types smallint[]; old_days integer[]; old_totals bigint[];
  today bigint; refused bigint;
BEGIN
  SELECT array_agg(user_id), array_agg(entity_type), array_agg(day), array_agg(used + held)
  INTO users, types, days, totals FROM new_usage;
  IF users IS NULL THEN RETURN NULL; END IF;
  IF TG_OP = 'UPDATE' THEN
    SELECT array_agg(user_id), array_agg(entity_type), array_agg(day), array_agg(used + held)
    INTO old_users, old_types, old_days, old_totals FROM old_usage;
    IF users <> old_users OR types <> old_types OR days <> old_days THEN
      RAISE EXCEPTION 'the rows before and after a change of usage cannot be matched'
        USING ERRCODE = 'AB010', CONSTRAINT = 'usage_within_quota';
    END IF;
  ELSE
    old_totals := array_fill(0::bigint, ARRAY[cardinality(totals)]);
  END IF;

  SELECT h.time / 86400 INTO today FROM journal_head h;
  SELECT count(*) INTO refused
  FROM unnest(users, types, days, totals, old_totals) AS u (user_id, entity_type, day, total, old_total)
  LEFT JOIN quota_kind k ON k.id = u.entity_type
  LEFT JOIN allowance a ON a.user_id = u.user_id AND a.entity_type = u.entity_type
  WHERE k.id IS NULL
    OR (u.total > u.old_total AND (u.day <> today OR u.total > CASE
      WHEN a.user_id IS NULL THEN k.default_per_day
      WHEN a.changed_in = pg_current_xact_id() THEN greatest(a.quota_per_day, a.limit_before)
      ELSE a.quota_per_day END));
  IF refused > 0 THEN
    RAISE EXCEPTION '% of % changes of usage are beyond the allowance in force, or not of today', refused, cardinality(users)
      USING ERRCODE = 'AB010', CONSTRAINT = 'usage_within_quota';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_new_usage AFTER INSERT ON usage
  REFERENCING NEW TABLE AS new_usage FOR EACH STATEMENT EXECUTE FUNCTION guard_usage();
CREATE TRIGGER guard_changed_usage AFTER UPDATE ON usage
  REFERENCING OLD TABLE AS old_usage NEW TABLE AS new_usage FOR EACH STATEMENT EXECUTE FUNCTION guard_usage();

REVOKE EXECUTE ON FUNCTION record_allowance_change(), refuse_usage_change(), guard_usage() FROM PUBLIC;
GRANT SELECT ON quota_kind, allowance, usage TO anchorbook_app;
GRANT INSERT (user_id, entity_type, quota_per_day, version) ON allowance TO anchorbook_app;
GRANT UPDATE (quota_per_day, version) ON allowance TO anchorbook_app;
GRANT INSERT ON usage TO anchorbook_app;
GRANT UPDATE (used, held, version) ON usage TO anchorbook_app;
