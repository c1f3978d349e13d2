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
  -- What the registry said last of how an epoch becomes final; null until it was asked. For readers: whoever decides
  -- asks the registry itself.
  challenge_window bigint CHECK (challenge_window >= 0),
  threshold integer CHECK (threshold >= 0),
  attesters text[],
  -- Of the newest block that there was then.
  chain_time bigint,
  CONSTRAINT book_registry UNIQUE (chain_id, registry),
  CONSTRAINT book_rules CHECK ((threshold IS NULL) = (attesters IS NULL) AND (threshold IS NULL) = (challenge_window IS NULL)
    AND (threshold IS NULL) = (chain_time IS NULL))
);

-- From now on what comes out of the custody of its asset came in on the chain. Anybody's lists may have used the codes that
-- say so before, and in the journal they stay: to every auditor of the book they were lies.
CREATE FUNCTION back_asset() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
END $$;
CREATE TRIGGER back_asset AFTER INSERT ON book FOR EACH ROW
  WHEN (NEW.token <> '0x0000000000000000000000000000000000000000') EXECUTE FUNCTION back_asset();

CREATE TABLE epoch (
  book integer NOT NULL REFERENCES book,
  number bigint NOT NULL CHECK (number >= 1),
  header jsonb NOT NULL,
  header_hash evm_hash NOT NULL UNIQUE,
  -- Journal lines 0 to journal_size - 1 are in it.
  journal_size bigint NOT NULL CHECK (journal_size >= 0),
  leaves_changed bigint NOT NULL CHECK (leaves_changed >= 0),
  closed_at bigint NOT NULL,
  status text NOT NULL DEFAULT 'built' CHECK (status IN ('built', 'sent', 'committed', 'final', 'vetoed', 'cancelled')),
  PRIMARY KEY (book, number)
);
-- "Which epoch holds line n": the first whose size is above n.
CREATE INDEX epoch_journal_size ON epoch (book, journal_size);
CREATE INDEX epoch_unsettled ON epoch (book, number) WHERE status NOT IN ('final', 'cancelled');

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
  PRIMARY KEY (book, section, index, epoch)
);

-- Which leaves each epoch has, as they were written: a statement's indexes of a section are a row. Kept by the triggers of
-- `leaf`, where an index by epoch would cost as much as half of what writing a leaf does. Leaves are written before their
-- epoch, whose header they lead to, in one transaction with it: leaves that no epoch closes would keep every later one out.
-- The rule stands here, because a foreign key of `leaf` itself is checked once a leaf.
CREATE TABLE leaf_page (
  book integer NOT NULL,
  epoch bigint NOT NULL,
  section smallint NOT NULL,
  first bigint NOT NULL,
  -- Ascending.
  indexes bigint[] NOT NULL CHECK (cardinality(indexes) BETWEEN 1 AND 1024),
  PRIMARY KEY (book, epoch, section, first),
  CONSTRAINT leaf_epoch_is_closed FOREIGN KEY (book, epoch) REFERENCES epoch (book, number) DEFERRABLE INITIALLY DEFERRED
);

-- What is to be done on the chain for an epoch, in the order of (epoch, kind), and
-- the transaction that did it.
CREATE TABLE outbox (
  book integer NOT NULL,
  epoch bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('commit', 'finalize')),
  -- Of a commit alone: a finalize carries the signatures that are there when it is sent.
  calldata text CHECK (calldata ~ '^0x([0-9a-f]{2})+$'),
  tx_hash evm_hash,
  block_number bigint,
  block_hash evm_hash,
  block_time bigint,
  gas_used bigint,
  PRIMARY KEY (book, epoch, kind),
  FOREIGN KEY (book, epoch) REFERENCES epoch (book, number),
  CONSTRAINT outbox_calldata CHECK ((kind = 'commit') = (calldata IS NOT NULL)),
  CONSTRAINT outbox_mined CHECK ((tx_hash IS NULL) = (block_number IS NULL) AND (tx_hash IS NULL) = (block_hash IS NULL))
);
CREATE INDEX outbox_open ON outbox (book, epoch, kind) WHERE tx_hash IS NULL;
CREATE INDEX outbox_incomplete ON outbox (book, epoch, kind) WHERE tx_hash IS NOT NULL AND gas_used IS NULL;
CREATE INDEX outbox_mined_at ON outbox (book, block_number) WHERE tx_hash IS NOT NULL;

-- Every transaction ever signed for the chain, written before it is broadcast, and never forgotten.
CREATE TABLE settlement_tx (
  hash evm_hash PRIMARY KEY,
  book integer NOT NULL REFERENCES book,
  kind text NOT NULL CHECK (kind IN ('commit', 'finalize', 'serve')),
  -- What it acts on: the header's hash of a commit or finalize, the demand of a serve. An epoch's number can be built
  -- again after a veto, with another header.
  subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
  epoch bigint NOT NULL,
  sender evm_address NOT NULL,
  nonce bigint NOT NULL CHECK (nonce >= 0),
  max_fee_per_gas numeric(39, 0) NOT NULL,
  max_priority_fee_per_gas numeric(39, 0) NOT NULL,
  raw text NOT NULL CHECK (raw ~ '^0x([0-9a-f]{2})+$'),
  signed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX settlement_tx_action ON settlement_tx (book, kind, subject, nonce);
CREATE INDEX settlement_tx_nonce ON settlement_tx (sender, nonce);

-- Signatures of attesters, at most one of each for a header: which of them count, the registry's attesters of the
-- moment decide.
CREATE TABLE attestation (
  book integer NOT NULL REFERENCES book,
  epoch bigint NOT NULL CHECK (epoch >= 1),
  header_hash evm_hash NOT NULL,
  attester evm_address NOT NULL,
  signature text NOT NULL CHECK (signature ~ '^0x[0-9a-f]{130}$'),
  received_at bigint NOT NULL,
  PRIMARY KEY (header_hash, attester)
);

-- Epochs that were vetoed and released: their numbers are built again, with other headers, over a journal that only
-- grew. Their leaves are left out: they follow from the journal, and their published files stay.
CREATE TABLE vetoed_epoch (
  header_hash evm_hash PRIMARY KEY,
  book integer NOT NULL REFERENCES book,
  number bigint NOT NULL,
  header jsonb NOT NULL,
  journal_size bigint NOT NULL,
  leaves_changed bigint NOT NULL,
  closed_at bigint NOT NULL,
  released_at bigint NOT NULL
);
CREATE INDEX vetoed_epoch_number ON vetoed_epoch (book, number);

-- Epochs continue each other, whatever the application believes.
CREATE FUNCTION guard_epoch() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
  INSERT INTO leaf_page (book, epoch, section, first, indexes)
  SELECT book, epoch, section, min(index), array_agg(index ORDER BY index) FROM new_leaves GROUP BY book, epoch, section;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_leaves AFTER INSERT ON leaf
  REFERENCING NEW TABLE AS new_leaves FOR EACH STATEMENT EXECUTE FUNCTION guard_leaves();

-- An epoch that the chain dropped can be taken out, with its leaves; no other.
CREATE FUNCTION guard_removal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF EXISTS (
    SELECT 1 FROM (SELECT DISTINCT book, epoch FROM removed) AS r
    WHERE NOT EXISTS (SELECT 1 FROM epoch e WHERE e.book = r.book AND e.number = r.epoch AND e.status = 'vetoed')
  ) THEN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'AB006', CONSTRAINT = 'append_only';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_removal AFTER DELETE ON leaf
  REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION guard_removal();
CREATE TRIGGER guard_removal AFTER DELETE ON leaf_page
  REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION guard_removal();
CREATE TRIGGER guard_removal AFTER DELETE ON outbox
  REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION guard_removal();

-- After an operator has looked: takes all vetoed epochs of a book out, the oldest of which is `first_number`, and
-- answers how many. What became final is never among them.
CREATE FUNCTION release_vetoed(of_book integer, first_number bigint, first_hash text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON leaf
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON leaf_page
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement_tx
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON vetoed_epoch
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON attestation
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$ BEGIN
  EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END $$;
GRANT SELECT ON book, epoch, leaf, leaf_page, outbox, settlement_tx, attestation, vetoed_epoch TO anchorbook_app;
GRANT INSERT ON book, epoch, leaf, outbox, settlement_tx, attestation TO anchorbook_app;
GRANT UPDATE (challenge_window, threshold, attesters, chain_time) ON book TO anchorbook_app;
GRANT UPDATE (status) ON epoch TO anchorbook_app;
GRANT UPDATE (tx_hash, block_number, block_hash, block_time, gas_used) ON outbox TO anchorbook_app;
GRANT EXECUTE ON FUNCTION release_vetoed TO anchorbook_app;
