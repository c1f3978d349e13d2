-- Settlement: books, epochs, versions of leaves, and the outbox towards the chain.
-- What an epoch says is written once, in the transaction that closes it; only how
-- far its transactions have come is ever updated. No tree node is stored: trees
-- are caches of `leaf`.

-- One registry on one chain. A new version of the contracts is a new book, which
-- begins again at epoch 1. Addresses are lower-case 0x-hex.
CREATE DOMAIN evm_address AS text CHECK (VALUE ~ '^0x[0-9a-f]{40}$');
CREATE DOMAIN evm_hash AS text CHECK (VALUE ~ '^0x[0-9a-f]{64}$');

CREATE TABLE book (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  asset text NOT NULL REFERENCES asset,
  chain_id bigint NOT NULL CHECK (chain_id > 0),
  registry evm_address NOT NULL,
  token evm_address NOT NULL,
  -- In the order of the sections: balances, locks, stakes, compute, payouts.
  custodians text[] NOT NULL CHECK (cardinality(custodians) = 5),
  deployed_block bigint NOT NULL CHECK (deployed_block >= 0),
  CONSTRAINT book_registry UNIQUE (chain_id, registry)
);

CREATE TABLE epoch (
  book integer NOT NULL REFERENCES book,
  number bigint NOT NULL CHECK (number >= 1),
  header jsonb NOT NULL,
  header_hash evm_hash NOT NULL UNIQUE,
  -- Journal lines 0 to journal_size - 1 are in it.
  journal_size bigint NOT NULL CHECK (journal_size >= 0),
  leaves_changed bigint NOT NULL CHECK (leaves_changed >= 0),
  closed_at bigint NOT NULL,
  status text NOT NULL DEFAULT 'built' CHECK (status IN ('built', 'sent', 'committed', 'final', 'vetoed')),
  PRIMARY KEY (book, number)
);
-- "Which epoch holds line n": the first whose size is above n.
CREATE INDEX epoch_journal_size ON epoch (book, journal_size);
CREATE INDEX epoch_unsettled ON epoch (book, number) WHERE status <> 'final';

-- A leaf as it is from `epoch` on, until a version of a later epoch. Exactly the
-- leaves that differ from the epoch before, so an epoch costs what changed.
CREATE TABLE leaf (
  book integer NOT NULL,
  section smallint NOT NULL CHECK (section BETWEEN 0 AND 4),
  index bigint NOT NULL CHECK (index >= 0),
  epoch bigint NOT NULL,
  owner bytea NOT NULL CHECK (length(owner) = 20),
  key bytea NOT NULL CHECK (length(key) = 32),
  amount base_units NOT NULL,
  valid_until bigint NOT NULL,
  kind bigint NOT NULL,
  quantity bigint NOT NULL,
  PRIMARY KEY (book, section, index, epoch),
  -- They are written before their epoch, whose header they lead to, in one
  -- transaction with it: leaves that no epoch closes would keep every later one out.
  FOREIGN KEY (book, epoch) REFERENCES epoch (book, number) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX leaf_of_epoch ON leaf (book, epoch, section, index);

-- What is to be done on the chain for an epoch, in the order of (epoch, kind), and
-- the transaction that did it.
CREATE TABLE outbox (
  book integer NOT NULL,
  epoch bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('commit', 'finalize')),
  calldata text NOT NULL CHECK (calldata ~ '^0x([0-9a-f]{2})+$'),
  tx_hash evm_hash,
  block_number bigint,
  block_time bigint,
  gas_used bigint,
  PRIMARY KEY (book, epoch, kind),
  FOREIGN KEY (book, epoch) REFERENCES epoch (book, number),
  CONSTRAINT outbox_mined CHECK ((tx_hash IS NULL) = (block_number IS NULL))
);
CREATE INDEX outbox_open ON outbox (book, epoch, kind) WHERE tx_hash IS NULL;

-- Every transaction ever signed for the outbox, written before it is broadcast.
CREATE TABLE settlement_tx (
  hash evm_hash PRIMARY KEY,
  book integer NOT NULL,
  epoch bigint NOT NULL,
  kind text NOT NULL,
  sender evm_address NOT NULL,
  nonce bigint NOT NULL CHECK (nonce >= 0),
  max_fee_per_gas numeric(39, 0) NOT NULL,
  max_priority_fee_per_gas numeric(39, 0) NOT NULL,
  raw text NOT NULL CHECK (raw ~ '^0x([0-9a-f]{2})+$'),
  signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (book, epoch, kind) REFERENCES outbox
);
CREATE INDEX settlement_tx_action ON settlement_tx (book, epoch, kind, nonce);

-- Epochs continue each other, whatever the application believes.
CREATE FUNCTION guard_epoch() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE last epoch;
BEGIN
  SELECT * INTO last FROM epoch e WHERE e.book = NEW.book ORDER BY e.number DESC LIMIT 1;
  IF NEW.number <> coalesce(last.number, 0) + 1
    OR NEW.journal_size < coalesce(last.journal_size, 0)
    OR NEW.closed_at < coalesce(last.closed_at, 0)
    OR NEW.journal_size > (SELECT next_seq FROM journal_head) THEN
    RAISE EXCEPTION 'epoch % does not continue epoch %', NEW.number, coalesce(last.number, 0)
      USING ERRCODE = 'AB007', CONSTRAINT = 'epoch_continues';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_epoch BEFORE INSERT ON epoch FOR EACH ROW EXECUTE FUNCTION guard_epoch();

-- Leaves belong to the epoch that is being closed: a closed one gets no more.
CREATE FUNCTION guard_leaves() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF EXISTS (
    SELECT 1 FROM (SELECT DISTINCT book, epoch FROM new_leaves) AS n
    WHERE n.epoch <> 1 + coalesce((SELECT max(e.number) FROM epoch e WHERE e.book = n.book), 0)
  ) THEN
    RAISE EXCEPTION 'leaves belong to the epoch that is being closed'
      USING ERRCODE = 'AB007', CONSTRAINT = 'leaf_of_open_epoch';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_leaves AFTER INSERT ON leaf
  REFERENCING NEW TABLE AS new_leaves FOR EACH STATEMENT EXECUTE FUNCTION guard_leaves();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON leaf
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement_tx
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$ BEGIN
  EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END $$;
GRANT SELECT ON book, epoch, leaf, outbox, settlement_tx TO anchorbook_app;
GRANT INSERT ON book, epoch, leaf, outbox, settlement_tx TO anchorbook_app;
GRANT UPDATE (status) ON epoch TO anchorbook_app;
GRANT UPDATE (tx_hash, block_number, block_time, gas_used) ON outbox TO anchorbook_app;
