-- What the chain watcher has seen of a book's contracts, and what came of it: events, the
-- direct entries that were credited, the demands of owners who leave on-chain. What is not final may be taken back, as the
-- chain takes it back; what is final has its line in the journal, written in the same transaction.

-- How far the watcher has come. Events of blocks up to seen_block are in chain_event; those up to final_block count.
CREATE TABLE chain_cursor (
  book integer PRIMARY KEY REFERENCES book,
  seen_block bigint NOT NULL CHECK (seen_block >= -1),
  final_block bigint NOT NULL,
  -- Of final_block, Unix seconds; 0 before the first look.
  final_time bigint NOT NULL DEFAULT 0,
  -- All that was final by then has its line. Unix seconds; 0: nobody knows.
  complete_time bigint NOT NULL DEFAULT 0,
  -- Up to here what was seen was compared with what the contracts themselves say.
  checked_block bigint NOT NULL,
  -- All claims that have their line and are on the chain; kept by count_claims.
  claimed base_units NOT NULL DEFAULT 0,
  -- What the node said last, and when (Unix milliseconds).
  latest_block bigint NOT NULL,
  looked_at_ms bigint NOT NULL,
  CONSTRAINT chain_cursor_order CHECK (checked_block <= final_block AND final_block <= seen_block)
) WITH (fillfactor = 50);

-- Hashes of the newest blocks: where the chain has others, it took these back.
CREATE TABLE chain_block (
  book integer NOT NULL REFERENCES book,
  number bigint NOT NULL CHECK (number >= 0),
  hash evm_hash NOT NULL,
  PRIMARY KEY (book, number)
);

CREATE TABLE chain_event (
  book integer NOT NULL REFERENCES book,
  block bigint NOT NULL CHECK (block >= 0),
  block_hash evm_hash NOT NULL,
  block_time bigint NOT NULL,
  tx_hash evm_hash NOT NULL,
  log_index bigint NOT NULL CHECK (log_index >= 0),
  contract evm_address NOT NULL,
  event text NOT NULL,
  -- Members in snake_case; integers as decimal strings, bytes and addresses as lower-case 0x-hex.
  args jsonb NOT NULL CHECK (jsonb_typeof(args) = 'object'),
  final boolean NOT NULL DEFAULT false,
  -- Its line in the journal; null where it is not final, or of an event that has none.
  seq bigint,
  -- It was final, and the chain does not have it any more: a reorg deeper than finality.
  lost boolean NOT NULL DEFAULT false,
  PRIMARY KEY (book, tx_hash, log_index),
  CONSTRAINT chain_event_line_when_final CHECK (seq IS NULL OR final),
  CONSTRAINT chain_event_lost_with_line CHECK (seq IS NOT NULL OR NOT lost)
) WITH (fillfactor = 80);
CREATE INDEX chain_event_place ON chain_event (book, block, log_index);
CREATE INDEX chain_event_kind ON chain_event (book, event, block, log_index);
CREATE INDEX chain_event_entry_of ON chain_event (book, (args ->> 'depositor'), block, log_index) WHERE event = 'EntryMade';
CREATE INDEX chain_event_open ON chain_event (book, block, log_index) WHERE NOT final;
CREATE INDEX chain_event_lost ON chain_event (book) WHERE lost;
CREATE UNIQUE INDEX chain_event_line ON chain_event (seq) WHERE seq IS NOT NULL;

-- What was seen is never rewritten; what has its line is never forgotten.
CREATE FUNCTION guard_chain_event() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
END $$;
CREATE TRIGGER guard_chain_event BEFORE UPDATE OR DELETE ON chain_event
  FOR EACH ROW EXECUTE FUNCTION guard_chain_event();

-- How much was claimed is asked at every block: a sum over all claims would cost more with each.
CREATE FUNCTION count_claims() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE counted boolean := OLD.seq IS NOT NULL AND NOT OLD.lost; counts boolean := NEW.seq IS NOT NULL AND NOT NEW.lost;
BEGIN
  IF counts <> counted THEN
    UPDATE chain_cursor
    SET claimed = claimed + CASE WHEN counts THEN 1 ELSE -1 END * (NEW.args ->> 'amount')::numeric
    WHERE book = NEW.book;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER count_claims AFTER UPDATE ON chain_event
  FOR EACH ROW WHEN (NEW.event = 'Claimed') EXECUTE FUNCTION count_claims();

-- Direct entries, one sequence a book: each credited once, in order, in the batch of its line.
CREATE TABLE chain_entry (
  book integer NOT NULL REFERENCES book,
  entry bigint NOT NULL CHECK (entry >= 1),
  tx_hash evm_hash NOT NULL,
  log_index bigint NOT NULL,
  -- The line of the event.
  seq bigint NOT NULL UNIQUE,
  depositor evm_address NOT NULL,
  amount base_units NOT NULL CHECK (amount > 0),
  -- Who got it; null in a frozen book, which pays back on-chain.
  owner_id text,
  credited_as text NOT NULL CHECK (credited_as IN ('available', 'lock', 'stake', 'reservation', 'nothing')),
  -- The lock, stake or reservation that was made of it.
  holding_id text,
  PRIMARY KEY (book, entry),
  FOREIGN KEY (book, tx_hash, log_index) REFERENCES chain_event,
  CONSTRAINT chain_entry_credited CHECK ((credited_as = 'nothing') = (owner_id IS NULL)),
  CONSTRAINT chain_entry_holding CHECK ((credited_as IN ('lock', 'stake', 'reservation')) = (holding_id IS NOT NULL))
);
CREATE INDEX chain_entry_line ON chain_entry (book, seq);
CREATE INDEX chain_entry_of_depositor ON chain_entry (book, depositor, entry);

CREATE FUNCTION guard_chain_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
END $$;
CREATE TRIGGER guard_chain_entry BEFORE INSERT ON chain_entry FOR EACH ROW EXECUTE FUNCTION guard_chain_entry();

-- Demands of owners who leave on-chain. Served is one when the chain says so; until then it is swept again and again.
CREATE TABLE exit_demand (
  book integer NOT NULL REFERENCES book,
  section smallint NOT NULL CHECK (section BETWEEN 0 AND 3),
  index bigint NOT NULL CHECK (index >= 0),
  -- Its line.
  seq bigint NOT NULL UNIQUE,
  account uuid NOT NULL,
  key evm_hash NOT NULL,
  owner evm_address NOT NULL,
  amount base_units NOT NULL,
  -- Unix seconds of the chain: from then on each closing of an epoch sweeps it.
  due bigint NOT NULL,
  block bigint NOT NULL,
  swept base_units NOT NULL DEFAULT 0,
  swept_at bigint,
  -- The last line of the newest sweep, and of the event that closed it.
  swept_seq bigint,
  served_at bigint,
  served_seq bigint,
  PRIMARY KEY (book, section, index, seq),
  CONSTRAINT exit_demand_swept CHECK ((swept_at IS NULL) = (swept_seq IS NULL) AND (swept = 0 OR swept_at >= due)),
  CONSTRAINT exit_demand_served CHECK ((served_at IS NULL) = (served_seq IS NULL) AND served_seq > seq)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX exit_demand_open ON exit_demand (book, section, index) WHERE served_at IS NULL;
CREATE INDEX exit_demand_due ON exit_demand (book, due, seq) WHERE served_at IS NULL;

CREATE FUNCTION guard_exit_demand() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF (OLD.book, OLD.section, OLD.index, OLD.seq, OLD.account, OLD.key, OLD.owner, OLD.amount, OLD.due, OLD.block)
      IS DISTINCT FROM
      (NEW.book, NEW.section, NEW.index, NEW.seq, NEW.account, NEW.key, NEW.owner, NEW.amount, NEW.due, NEW.block)
    OR OLD.served_at IS NOT NULL OR NEW.swept < OLD.swept THEN
    RAISE EXCEPTION 'the demand for %/% cannot become this', OLD.section, OLD.index
      USING ERRCODE = 'AB021', CONSTRAINT = 'exit_demand_transition';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_exit_demand BEFORE UPDATE ON exit_demand FOR EACH ROW EXECUTE FUNCTION guard_exit_demand();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON chain_entry
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON exit_demand
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE TRUNCATE ON chain_event
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$ BEGIN
  EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END $$;
GRANT SELECT ON chain_cursor, chain_block, chain_event, chain_entry, exit_demand TO anchorbook_app;
GRANT INSERT (book, seen_block, final_block, checked_block, latest_block, looked_at_ms) ON chain_cursor TO anchorbook_app;
GRANT INSERT ON chain_block, chain_event, chain_entry, exit_demand TO anchorbook_app;
GRANT DELETE ON chain_block, chain_event TO anchorbook_app;
GRANT UPDATE (seen_block, final_block, final_time, complete_time, checked_block, latest_block, looked_at_ms)
  ON chain_cursor TO anchorbook_app;
GRANT UPDATE (hash) ON chain_block TO anchorbook_app;
GRANT UPDATE (block, block_hash, block_time, final, seq, lost) ON chain_event TO anchorbook_app;
GRANT UPDATE (swept, swept_at, swept_seq, served_at, served_seq) ON exit_demand TO anchorbook_app;
