-- The ledger core. A ledger is a Postgres schema: nothing here names it, the
-- connection's search_path does, and SECURITY DEFINER functions keep the one they
-- were created under. Times are Unix seconds, amounts are base units.
--
-- The application's role is anchorbook_app (or a member of it). It owns nothing,
-- inserts journal lines, and never touches a balance: triggers move those.

CREATE DOMAIN base_units AS numeric(39, 0)
  CHECK (VALUE >= 0 AND VALUE < 340282366920938463463374607431768211456);

-- Who this ledger is. account_secret keys the derived account ids, so that the
-- published journal cannot be searched with a dictionary of user ids.
CREATE TABLE ledger_identity (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  account_secret bytea NOT NULL CHECK (length(account_secret) = 32)
);
INSERT INTO ledger_identity (account_secret)
VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- The head of the journal. Every writer takes this row first.
CREATE TABLE journal_head (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  next_seq bigint NOT NULL DEFAULT 0,
  next_event bigint NOT NULL DEFAULT 1,
  time bigint NOT NULL DEFAULT 0,
  clock_offset bigint NOT NULL DEFAULT 0 CHECK (clock_offset >= 0),
  -- The batch that was written last, and the one before it; null where it was no writer's batch.
  -- A writer that finds its own batch here knows that nobody wrote since.
  last_batch uuid,
  previous_batch uuid
) WITH (fillfactor = 10);
INSERT INTO journal_head DEFAULT VALUES;

-- The last batch of each writer process: one row a writer, so that a connection
-- lost in COMMIT can be resolved under the head lock without a row per request.
CREATE TABLE writer (
  id uuid PRIMARY KEY,
  last_batch uuid NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE asset (
  code text PRIMARY KEY CHECK (code ~ '^[A-Z][A-Z0-9]{0,15}$'),
  scale smallint NOT NULL CHECK (scale BETWEEN 0 AND 38),
  transferable boolean NOT NULL,
  mintable boolean NOT NULL,
  supply_cap base_units CHECK (supply_cap > 0),
  -- The program that alone moves it and opens its accounts; the general ledger API may not.
  program text,
  -- Whether a book with a token was opened for it: then what comes out of custody came in on the chain.
  backed boolean NOT NULL DEFAULT false,
  created_at bigint NOT NULL
);

-- A whitelist: an amount of an asset moves from a role to a role only where a row
-- says so. same_owner: only between two accounts of one owner.
CREATE TABLE asset_route (
  asset text NOT NULL REFERENCES asset,
  from_role text NOT NULL,
  to_role text NOT NULL,
  same_owner boolean NOT NULL,
  PRIMARY KEY (asset, from_role, to_role)
);

-- A user, with the salt of the keys of its positions. No balance lives here.
CREATE TABLE owner (
  id text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 128),
  salt bytea NOT NULL CHECK (length(salt) = 32),
  wallet_address bytea CHECK (length(wallet_address) = 20),
  created_at bigint NOT NULL
);

-- The wallet that an owner's positions of an asset carry from now on, and the statement that stands in the line of one
-- that gets it: see docs/wallets.md.
CREATE TABLE owner_wallet (
  owner text NOT NULL REFERENCES owner,
  asset text NOT NULL REFERENCES asset,
  wallet bytea NOT NULL
    CHECK (length(wallet) = 20 AND wallet <> '\x0000000000000000000000000000000000000000'),
  proof bytea NOT NULL CHECK (length(proof) BETWEEN 1 AND 4096),
  PRIMARY KEY (owner, asset)
) WITH (fillfactor = 80);

CREATE TABLE account (
  id uuid PRIMARY KEY,
  asset text NOT NULL,
  role text NOT NULL,
  owner text,
  reference text,
  -- How far debits may exceed credits (0: not at all, NULL: no limit), and the mirror of it.
  debit_allowance base_units,
  credit_allowance base_units,
  -- Set by the line in account_closing, for good.
  closed boolean NOT NULL DEFAULT false,
  -- From the line of a demand in chain_line to the line that says it was served: its owner leaves with it on-chain,
  -- so nothing but the sweep of that demand (code exit_sweep) debits it.
  exit_demanded boolean NOT NULL DEFAULT false,
  debits_posted base_units NOT NULL DEFAULT 0,
  credits_posted base_units NOT NULL DEFAULT 0,
  debits_pending base_units NOT NULL DEFAULT 0,
  credits_pending base_units NOT NULL DEFAULT 0,
  metadata jsonb,
  created_at bigint NOT NULL,
  CONSTRAINT account_within_debit_allowance
    CHECK (debits_posted + debits_pending <= credits_posted + debit_allowance),
  CONSTRAINT account_within_credit_allowance
    CHECK (credits_posted + credits_pending <= debits_posted + credit_allowance)
  -- What never changes is checked once, by guard_account: Postgres reads and runs every CHECK of a table at every
  -- update, and every transfer updates two accounts.
) WITH (fillfactor = 60);
-- The orders in which accounts are listed.
CREATE INDEX account_owner ON account (owner, asset, role, id) WHERE owner IS NOT NULL;
CREATE INDEX account_reference ON account (reference, id) WHERE reference IS NOT NULL;
CREATE UNIQUE INDEX account_system ON account (asset, role)
  WHERE role IN ('treasury', 'issuance', 'custody', 'revenue', 'burned');

-- Journal lines of the first kind.
CREATE TABLE transfer (
  seq bigint PRIMARY KEY,
  id uuid NOT NULL,
  debit_account uuid NOT NULL,
  credit_account uuid NOT NULL,
  asset text NOT NULL,
  amount base_units NOT NULL CHECK (amount > 0),
  -- Which characters is the API's business: a regular expression here is compiled to states anew for every line.
  code text NOT NULL CHECK (length(code) BETWEEN 1 AND 64),
  phase text NOT NULL CHECK (phase IN ('single', 'pending', 'post', 'void', 'expire')),
  pending_id uuid,
  expires_at bigint,
  effective_at bigint NOT NULL,
  time bigint NOT NULL,
  reference text,
  metadata jsonb,
  -- What the request said, for an exact answer to its repetition: see src/ledger/request-members.ts
  requested_members smallint NOT NULL DEFAULT 0,
  requested_amount base_units,
  CONSTRAINT transfer_accounts_differ CHECK (debit_account <> credit_account),
  -- A line that the settlement format cannot carry would stop settlement for good.
  CONSTRAINT transfer_effective_not_in_the_future CHECK (effective_at BETWEEN 0 AND time),
  CONSTRAINT transfer_expires_later CHECK (expires_at > time),
  CONSTRAINT transfer_pending_members CHECK (
    (phase IN ('post', 'void', 'expire')) = (pending_id IS NOT NULL)
    AND (expires_at IS NULL OR phase = 'pending'))
);
CREATE UNIQUE INDEX transfer_id ON transfer (id);
CREATE UNIQUE INDEX transfer_resolved_once ON transfer (pending_id) WHERE pending_id IS NOT NULL;
CREATE INDEX transfer_debit_account ON transfer (debit_account, seq);
CREATE INDEX transfer_credit_account ON transfer (credit_account, seq);
CREATE INDEX transfer_reference ON transfer (reference, seq) WHERE reference IS NOT NULL;

-- An id that failed for a reason another request could change stays failed.
CREATE TABLE failed_transfer (
  id uuid PRIMARY KEY,
  code text NOT NULL,
  time bigint NOT NULL
);

-- Open pending transfers. The triggers keep it; nobody else writes it.
CREATE TABLE hold (
  transfer_id uuid PRIMARY KEY,
  seq bigint NOT NULL,
  debit_account uuid NOT NULL,
  credit_account uuid NOT NULL,
  asset text NOT NULL,
  amount base_units NOT NULL,
  expires_at bigint
);
CREATE INDEX hold_due ON hold (expires_at, seq) WHERE expires_at IS NOT NULL;
CREATE INDEX hold_debit_account ON hold (debit_account);

-- Journal lines of the second kind: what a settled leaf says beside its amount.
CREATE TABLE position_change (
  seq bigint PRIMARY KEY,
  time bigint NOT NULL,
  account uuid NOT NULL,
  asset text NOT NULL,
  section smallint NOT NULL CHECK (section BETWEEN 0 AND 4),
  index bigint NOT NULL,
  key bytea NOT NULL CHECK (length(key) = 32),
  owner bytea NOT NULL CHECK (length(owner) = 20),
  valid_until bigint NOT NULL CHECK (valid_until >= 0),
  kind bigint NOT NULL CHECK (kind BETWEEN 0 AND 4294967295),
  quantity bigint NOT NULL CHECK (quantity BETWEEN 0 AND 4294967295),
  -- Statements about wallets (docs/wallets.md), as a list of 0x-hex. A line that changes the owner has one: see the trigger.
  signatures jsonb CHECK (jsonb_typeof(signatures) = 'array' AND jsonb_array_length(signatures) BETWEEN 1 AND 16)
);
CREATE INDEX position_change_account ON position_change (account, seq);

-- The newest position line of each account; kept by the trigger.
CREATE TABLE position (
  account uuid PRIMARY KEY,
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
  CONSTRAINT position_key UNIQUE (asset, section, key)
) WITH (fillfactor = 80);

-- How many leaves each section of an asset has: the next index.
CREATE TABLE section_count (
  asset text NOT NULL REFERENCES asset,
  section smallint NOT NULL CHECK (section BETWEEN 0 AND 4),
  count bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (asset, section)
) WITH (fillfactor = 20);

-- Journal lines of the third kind: from here on an account takes part in nothing new.
CREATE TABLE account_closing (
  seq bigint PRIMARY KEY,
  time bigint NOT NULL,
  account uuid NOT NULL,
  CONSTRAINT account_closed_once UNIQUE (account)
);

-- Journal lines of the fourth kind: an event of a contract, once its block is final. What it says is looked up on the
-- chain, by the place that is written here.
CREATE TABLE chain_line (
  seq bigint PRIMARY KEY,
  time bigint NOT NULL,
  chain_id bigint NOT NULL CHECK (chain_id > 0),
  -- Of the book whose contract said it.
  registry bytea NOT NULL CHECK (length(registry) = 20),
  block bigint NOT NULL CHECK (block >= 0),
  tx_hash bytea NOT NULL CHECK (length(tx_hash) = 32),
  log_index bigint NOT NULL CHECK (log_index >= 0),
  event text NOT NULL CHECK (event ~ '^[A-Z][A-Za-z]{0,63}$'),
  -- Whose debits a demand stops, and its end allows again.
  account uuid,
  CONSTRAINT chain_line_once UNIQUE (chain_id, tx_hash, log_index),
  CONSTRAINT chain_line_account CHECK ((event IN ('ExitDemanded', 'DemandServed')) = (account IS NOT NULL))
);
CREATE INDEX chain_line_of_account ON chain_line (account, seq) WHERE account IS NOT NULL;

-- One idempotency key, one effect, for good: written in the transaction of its effect.
CREATE TABLE idempotency (
  principal text NOT NULL,
  key text NOT NULL,
  fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
  -- json, not jsonb: a replay says byte for byte what the first answer said.
  outcome json NOT NULL,
  time bigint NOT NULL,
  PRIMARY KEY (principal, key)
);

-- What happened, for those who act on it: written in the transaction of its effect,
-- gapless from 1, in the order of the commits. Only the two functions below add to it, and check what
-- they are given: as CHECKs the same cost as much again as the row.
CREATE TABLE event (
  seq bigint PRIMARY KEY,
  time bigint NOT NULL,
  type text NOT NULL,
  -- Whose it is, and who may therefore see it; NULL: the ledger's own.
  subject text,
  data jsonb NOT NULL
);
CREATE INDEX event_subject ON event (subject, seq) WHERE subject IS NOT NULL;

-- Whole seconds of this server's clock, read anew by each call. Declared STABLE, because a planner that places schemas on
-- other machines (Citus) takes no volatile function in a change of rows; nothing here relies on two calls that agree.
CREATE FUNCTION wall_clock() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN floor(extract(epoch FROM clock_timestamp()))::bigint;
END $$;

-- Takes the head: the row lock that orders all writers, and the time of the batch,
-- which never runs backwards. UPDATE rather than FOR UPDATE, so that the time lasts.
CREATE FUNCTION take_head() RETURNS TABLE (next_seq bigint, now bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  RETURN QUERY UPDATE journal_head h
  SET time = greatest(h.time, wall_clock() + h.clock_offset),
    previous_batch = h.last_batch, last_batch = NULL
  RETURNING h.next_seq, h.time;
END $$;

CREATE FUNCTION note_batch(writer_id uuid, batch uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE writer w SET last_batch = batch WHERE w.id = writer_id;
  IF NOT FOUND THEN INSERT INTO writer (id, last_batch) VALUES (writer_id, batch); END IF;
END $$;

-- The same for a writer's batch. Who wrote last tells it whether what it remembers still holds.
CREATE FUNCTION take_head(writer_id uuid, batch uuid,
  OUT next_seq bigint, OUT now bigint, OUT previous uuid, OUT any_due boolean, OUT clock_ms bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE ahead bigint;
BEGIN
  UPDATE journal_head h
  SET time = greatest(h.time, wall_clock() + h.clock_offset),
    previous_batch = h.last_batch, last_batch = batch
  RETURNING h.next_seq, h.time, h.previous_batch, h.clock_offset INTO next_seq, now, previous, ahead;
  clock_ms := floor((extract(epoch FROM clock_timestamp()) + ahead) * 1000)::bigint;
  PERFORM note_batch(writer_id, batch);
  any_due := EXISTS (SELECT FROM hold WHERE expires_at <= now);
END $$;

-- The same for a batch that was decided beforehand, at a time of its own, on top of the batch `after`:
-- refused where anybody wrote since, or where that time is not between the head's and now.
CREATE FUNCTION take_head(writer_id uuid, batch uuid, after uuid, at bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  UPDATE journal_head h SET time = at, previous_batch = h.last_batch, last_batch = batch
  WHERE h.last_batch = after AND at >= h.time
    AND at <= greatest(h.time, wall_clock() + h.clock_offset);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another batch than % was written last', after
      USING ERRCODE = 'AB013', CONSTRAINT = 'journal_decided_ahead';
  END IF;
  PERFORM note_batch(writer_id, batch);
END $$;

-- The same for a batch that was decided from what the writer remembers of the batch `after`: refused also where
-- the time it took for now is another, where a hold is due, or where an id or key it took for new is not.
CREATE FUNCTION take_head(writer_id uuid, batch uuid, after uuid, at bigint, ids uuid[], principals text[], keys text[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
END $$;

-- Whether a writer's batch holds, for one whose COMMIT got no answer: under the head, so that a commit still under way is
-- waited for. One that is not there will not come: it may still be on its way as a whole, and names the batch that it was
-- decided on, which is the head's no more.
CREATE FUNCTION was_written(writer_id uuid, batch uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM FROM journal_head FOR UPDATE;
  IF EXISTS (SELECT FROM writer w WHERE w.id = writer_id AND w.last_batch = batch) THEN RETURN true; END IF;
  UPDATE journal_head h SET previous_batch = h.last_batch, last_batch = NULL;
  RETURN false;
END $$;

-- The time a batch would get now; for reads.
CREATE FUNCTION ledger_now() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  RETURN (SELECT greatest(h.time, wall_clock() + h.clock_offset)
    FROM journal_head h);
END $$;

-- For the test clock alone: not granted to the application.
CREATE FUNCTION advance_clock(seconds bigint) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  UPDATE journal_head h SET clock_offset = h.clock_offset + seconds RETURNING h.clock_offset
$$;

-- Advances the head over n lines that must continue it without a gap, and says so in one event. Runs only
-- inside the triggers below, under their search_path.
CREATE FUNCTION append_to_journal(first_seq bigint, last_seq bigint, n bigint, first_time bigint, last_time bigint)
RETURNS void LANGUAGE plpgsql AS $$
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
END $$;

-- Adds a program's events at the event head: they take their places here, so that a gap cannot be asked for.
CREATE FUNCTION append_events(types text[], subjects text[], details jsonb[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
END $$;

-- The only way a balance moves. Reads its transition table into local arrays (which also runs on Citus
-- shards, where a statement that joins it fails), then works on whole sets.
--
-- Its plans are made once a connection and do not depend on statistics, so that they are right for an empty
-- ledger and a full one, a batch of one and of thousands: accounts are found by primary key (LATERAL ... OFFSET 0
-- keeps the planner from turning the joins round), and updated by the place where they were found (a.ctid = d.place
-- has no other plan than one fetch each). That place cannot move in between: only who holds the head changes an
-- account, and the count at the end would tell.
CREATE FUNCTION apply_transfers() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
SET jit = off AS $$
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
END $$;
CREATE TRIGGER apply_transfers AFTER INSERT ON transfer
  REFERENCING NEW TABLE AS new_transfers FOR EACH STATEMENT EXECUTE FUNCTION apply_transfers();

-- An account keeps its (section, index, key) for ever; a new one gets the next index.
CREATE FUNCTION apply_position_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
SET jit = off AS $$
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
END $$;
CREATE TRIGGER apply_position_changes AFTER INSERT ON position_change
  REFERENCING NEW TABLE AS new_positions FOR EACH STATEMENT EXECUTE FUNCTION apply_position_changes();

-- Closes accounts. Nothing may be stuck on a closed one, since nothing opens it again: its posted balance is zero,
-- nothing is held from it (a hold for it can only be voided or expire, which leaves it at zero), it is none of the
-- system's, and it carries no settled position, whose owner could not leave with it any more.
CREATE FUNCTION apply_account_closings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
SET jit = off AS $$
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
END $$;
CREATE TRIGGER apply_account_closings AFTER INSERT ON account_closing
  REFERENCING NEW TABLE AS new_closings FOR EACH STATEMENT EXECUTE FUNCTION apply_account_closings();

-- A demand stops the debits of a settled account, once, and its end allows them again.
CREATE FUNCTION apply_chain_lines() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
SET jit = off AS $$
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
END $$;
CREATE TRIGGER apply_chain_lines AFTER INSERT ON chain_line
  REFERENCING NEW TABLE AS new_chain_lines FOR EACH STATEMENT EXECUTE FUNCTION apply_chain_lines();

-- An asset with a supply cap has one account that may issue, up to the cap: its issuance where
-- it is mintable, else its custody. Every other account of it must cover its debits.
CREATE FUNCTION guard_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
END $$;
CREATE TRIGGER guard_account BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION guard_account();

-- Assets come into being with their whole policy, by this function alone. Without
-- transferable there is no route between two owners, without mintable none out of issuance.
CREATE FUNCTION create_asset(new_code text, new_scale smallint, is_transferable boolean, is_mintable boolean,
  cap numeric, now bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
END $$;

-- History is written once. This binds the owner of the tables too.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'AB006', CONSTRAINT = 'append_only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON position_change
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON account_closing
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON chain_line
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON idempotency
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON failed_transfer
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What the application may do, and nothing else. PUBLIC may run no function.
DO $$ BEGIN
  EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO anchorbook_app', current_schema());
END $$;
GRANT SELECT ON migration, ledger_identity, journal_head, writer, asset, asset_route, owner, owner_wallet, account, transfer,
  failed_transfer, hold, position_change, position, account_closing, chain_line, section_count, idempotency, event TO anchorbook_app;
GRANT INSERT ON owner TO anchorbook_app;
GRANT UPDATE (wallet_address) ON owner TO anchorbook_app;
GRANT INSERT, UPDATE (wallet, proof) ON owner_wallet TO anchorbook_app;
GRANT INSERT (id, asset, role, owner, reference, debit_allowance, credit_allowance, metadata, created_at)
  ON account TO anchorbook_app;
GRANT INSERT ON transfer, position_change, account_closing, chain_line, failed_transfer, idempotency TO anchorbook_app;
GRANT EXECUTE ON FUNCTION take_head(), take_head(uuid, uuid), take_head(uuid, uuid, uuid, bigint),
  take_head(uuid, uuid, uuid, bigint, uuid[], text[], text[]), was_written(uuid, uuid),
  ledger_now(), append_events(text[], text[], jsonb[]),
  create_asset(text, smallint, boolean, boolean, numeric, bigint) TO anchorbook_app;
