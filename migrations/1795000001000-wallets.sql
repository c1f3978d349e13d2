-- Wallets: whose each one is, which one a user has linked and which one is to take its place, and what was withdrawn
-- to them. All of it is written by units of work; what was signed stands in the journal. Wallets are 20 bytes.

CREATE DOMAIN wallet_bytes AS bytea
  CHECK (length(VALUE) = 20 AND VALUE <> '\x0000000000000000000000000000000000000000');

-- Whose a wallet is, for ever, from the first time that it signed for somebody.
CREATE TABLE wallet_owner (
  wallet wallet_bytes PRIMARY KEY,
  user_id text NOT NULL REFERENCES owner,
  bound_at bigint NOT NULL,
  -- NULL: it was announced, and never took its place.
  linked_at bigint,
  CONSTRAINT wallet_owner_user UNIQUE (wallet, user_id)
);
CREATE INDEX wallet_owner_of_user ON wallet_owner (user_id, bound_at, wallet);

-- A user's wallet for an asset. There is a row from the first link on.
CREATE TABLE wallet_user (
  user_id text NOT NULL,
  asset text NOT NULL REFERENCES asset,
  -- The user key of docs/wallets.md.
  key bytea NOT NULL CHECK (length(key) = 32),
  -- The last number that was signed.
  number bigint NOT NULL CHECK (number >= 1),
  wallet wallet_bytes NOT NULL,
  linked_by bigint NOT NULL CHECK (linked_by BETWEEN 1 AND number),
  linked_at bigint NOT NULL,
  -- Whether all positions have it, and what had come in by it was taken over.
  carried boolean NOT NULL,
  -- The change that waits for the old wallet's objection.
  announced_wallet wallet_bytes,
  announced_number bigint,
  announced_at bigint,
  -- As it stands in the journal, hex.
  announcement text,
  PRIMARY KEY (user_id, asset),
  CONSTRAINT wallet_user_key UNIQUE (asset, key),
  CONSTRAINT wallet_user_owns FOREIGN KEY (wallet, user_id) REFERENCES wallet_owner (wallet, user_id),
  CONSTRAINT wallet_user_owns_announced FOREIGN KEY (announced_wallet, user_id) REFERENCES wallet_owner (wallet, user_id),
  CONSTRAINT wallet_user_announced CHECK (
    (announced_wallet IS NULL) = (announced_number IS NULL) AND (announced_wallet IS NULL) = (announced_at IS NULL)
    AND (announced_wallet IS NULL) = (announcement IS NULL)
    AND announced_wallet <> wallet AND announced_number <= number AND announced_number > linked_by)
) WITH (fillfactor = 80);
CREATE INDEX wallet_user_waiting ON wallet_user (asset, announced_at, user_id) WHERE announced_number IS NOT NULL;
CREATE INDEX wallet_user_not_carried ON wallet_user (asset, user_id) WHERE NOT carried;

-- The wallets that were ever a user's for an asset: what comes in by one of them is that user's. A wallet that is linked for
-- one asset alone is nobody's to the auditor of another.
CREATE TABLE wallet_used (
  asset text NOT NULL REFERENCES asset,
  wallet wallet_bytes NOT NULL,
  user_id text NOT NULL,
  since bigint NOT NULL,
  PRIMARY KEY (asset, wallet),
  CONSTRAINT wallet_used_owns FOREIGN KEY (wallet, user_id) REFERENCES wallet_owner (wallet, user_id)
);

-- What a user has withdrawn; how far it is follows from epochs and from what was claimed.
CREATE TABLE withdrawal (
  id text PRIMARY KEY CHECK (id ~ '^wd_[0-9a-f]{32}$'),
  place bigint GENERATED ALWAYS AS IDENTITY,
  user_id text NOT NULL REFERENCES owner,
  asset text NOT NULL REFERENCES asset,
  -- The payouts account, and the line that credits it.
  account uuid NOT NULL,
  transfer uuid NOT NULL UNIQUE,
  -- The one linked then.
  wallet wallet_bytes NOT NULL,
  amount base_units NOT NULL CHECK (amount > 0),
  -- All that was ever paid out to that account, with this one: it is claimed when so much is.
  total base_units NOT NULL CHECK (total >= amount),
  created_at bigint NOT NULL,
  CONSTRAINT withdrawal_total UNIQUE (account, total)
);
CREATE INDEX withdrawal_of_user ON withdrawal (user_id, asset, place DESC);

-- A wallet changes its user never, and is linked once.
CREATE FUNCTION guard_wallet_owner() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF (NEW.wallet, NEW.user_id, NEW.bound_at) IS DISTINCT FROM (OLD.wallet, OLD.user_id, OLD.bound_at)
    OR (OLD.linked_at IS NOT NULL AND NEW.linked_at IS DISTINCT FROM OLD.linked_at) THEN
    RAISE EXCEPTION 'a wallet belongs to one user for ever' USING ERRCODE = 'AB020', CONSTRAINT = 'wallet_owner_fixed';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_wallet_owner BEFORE UPDATE ON wallet_owner FOR EACH ROW EXECUTE FUNCTION guard_wallet_owner();

-- Numbers only grow, and another wallet comes with another number: a new one, or that of what was announced.
CREATE FUNCTION guard_wallet_user() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
END $$;
CREATE TRIGGER guard_wallet_user BEFORE UPDATE ON wallet_user FOR EACH ROW EXECUTE FUNCTION guard_wallet_user();

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON wallet_owner
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_used
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON wallet_user
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON withdrawal
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$ BEGIN
  EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END $$;
GRANT SELECT ON wallet_owner, wallet_used, wallet_user, withdrawal TO anchorbook_app;
GRANT INSERT ON wallet_owner, wallet_used, wallet_user, withdrawal TO anchorbook_app;
GRANT UPDATE (linked_at) ON wallet_owner TO anchorbook_app;
GRANT UPDATE (number, wallet, linked_by, linked_at, carried, announced_wallet, announced_number, announced_at, announcement)
  ON wallet_user TO anchorbook_app;
