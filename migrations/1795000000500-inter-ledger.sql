-- Transfers between ledgers. Each ledger writes its own half, in a batch of its
-- own journal; nothing here refers to another ledger but by its id and name.

-- What was sent: an amount held for the clearing account until the other ledger has
-- decided. Those that are pending are the outbox of this ledger.
CREATE TABLE inter_ledger_transfer (
  -- Also the id of the hold.
  id uuid PRIMARY KEY,
  -- Place of the hold in the journal: the order in which they were sent.
  seq bigint NOT NULL,
  from_account uuid NOT NULL,
  -- Who the other ledger is, and what it was called then.
  to_ledger_id uuid NOT NULL,
  to_ledger text NOT NULL,
  to_account uuid NOT NULL,
  asset text NOT NULL,
  amount base_units NOT NULL CHECK (amount > 0),
  reference text,
  state text NOT NULL CHECK (state IN ('pending', 'posted', 'voided')),
  -- Of the line that credits there.
  arrival_id uuid,
  reason text,
  sent_at bigint NOT NULL,
  resolved_at bigint,
  CONSTRAINT inter_ledger_resolved CHECK ((state = 'pending') = (resolved_at IS NULL)),
  CONSTRAINT inter_ledger_posted CHECK ((state = 'posted') = (arrival_id IS NOT NULL)),
  CONSTRAINT inter_ledger_voided CHECK ((state = 'voided') = (reason IS NOT NULL))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX inter_ledger_seq ON inter_ledger_transfer (seq);
CREATE INDEX inter_ledger_state ON inter_ledger_transfer (state, seq);
CREATE INDEX inter_ledger_pending ON inter_ledger_transfer (to_ledger_id, seq) WHERE state = 'pending';

-- What came: how this ledger decided, once, so that whoever asks again gets the same answer.
CREATE TABLE inter_ledger_arrival (
  from_ledger_id uuid NOT NULL,
  -- As it is called there.
  transfer_id uuid NOT NULL,
  -- The line that credits, or why there is none.
  line_id uuid,
  refusal text,
  decided_at bigint NOT NULL,
  PRIMARY KEY (from_ledger_id, transfer_id),
  CONSTRAINT inter_ledger_decided CHECK ((line_id IS NULL) <> (refusal IS NULL))
);

CREATE INDEX account_clearing ON account (reference, asset) WHERE role = 'clearing';

-- A record says what its lines say: a hold when it is sent, what resolved that once it is over.
CREATE FUNCTION guard_inter_ledger_transfer() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
END $$;
CREATE TRIGGER guard_inter_ledger_transfer AFTER INSERT OR UPDATE ON inter_ledger_transfer
  FOR EACH ROW EXECUTE FUNCTION guard_inter_ledger_transfer();
CREATE TRIGGER keep_inter_ledger_transfer BEFORE DELETE OR TRUNCATE ON inter_ledger_transfer
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION guard_inter_ledger_arrival() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.line_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM transfer t JOIN account c ON c.id = t.debit_account
    WHERE t.id = NEW.line_id AND t.phase = 'single' AND c.role = 'clearing' AND c.reference = NEW.from_ledger_id::text
  ) THEN
    RAISE EXCEPTION 'what arrived is credited by a line'
      USING ERRCODE = 'AB018', CONSTRAINT = 'inter_ledger_credited';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_inter_ledger_arrival AFTER INSERT ON inter_ledger_arrival
  FOR EACH ROW EXECUTE FUNCTION guard_inter_ledger_arrival();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON inter_ledger_arrival
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$ BEGIN
  EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END $$;
GRANT SELECT, INSERT ON inter_ledger_transfer, inter_ledger_arrival TO anchorbook_app;
GRANT UPDATE (state, arrival_id, reason, resolved_at) ON inter_ledger_transfer TO anchorbook_app;
