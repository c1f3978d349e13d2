-- Balances over time. A balance at a past time goes by the time of effect of the lines; added up from the first line it
-- would cost an account's whole history. So a job adds up what each account did on each day, up to a watermark in
-- the journal, and a reader adds the lines behind it. Nothing here is written in a writer's transaction.

-- What a line does to an account, and when. A hold counts from its own time of effect until that of the line that
-- ends it, and never at or after its expiry: so a resolution sets free at the earlier of the two, not before it was held.
CREATE VIEW line_effect AS
  SELECT t.seq, t.debit_account AS account, t.effective_at AS at,
    CASE WHEN t.phase = 'pending' THEN 0 ELSE t.amount::numeric END AS debits_posted, 0::numeric AS credits_posted,
    CASE WHEN t.phase = 'pending' THEN t.amount::numeric ELSE 0 END AS debits_pending, 0::numeric AS credits_pending
  FROM transfer t WHERE t.phase IN ('single', 'post', 'pending')
  UNION ALL
  SELECT t.seq, t.credit_account, t.effective_at,
    0, CASE WHEN t.phase = 'pending' THEN 0 ELSE t.amount::numeric END,
    0, CASE WHEN t.phase = 'pending' THEN t.amount::numeric ELSE 0 END
  FROM transfer t WHERE t.phase IN ('single', 'post', 'pending')
  UNION ALL
  SELECT r.seq, r.debit_account, greatest(p.effective_at, least(r.effective_at, p.expires_at)), 0, 0, -p.amount::numeric, 0
  FROM transfer r JOIN transfer p ON p.id = r.pending_id WHERE r.pending_id IS NOT NULL
  UNION ALL
  SELECT r.seq, r.credit_account, greatest(p.effective_at, least(r.effective_at, p.expires_at)), 0, 0, 0, -p.amount::numeric
  FROM transfer r JOIN transfer p ON p.id = r.pending_id WHERE r.pending_id IS NOT NULL;

-- Days are counted from 1970-01-01 in UTC. Sums of the effects below the watermark: pending ones may be negative.
CREATE TABLE account_day (
  account uuid NOT NULL,
  day bigint NOT NULL,
  debits_posted numeric NOT NULL,
  credits_posted numeric NOT NULL,
  debits_pending numeric NOT NULL,
  credits_pending numeric NOT NULL,
  -- Where in the journal the lines of this day are.
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  PRIMARY KEY (account, day)
) WITH (fillfactor = 80);

-- Lines below this place are in account_day, those from it on are not.
CREATE TABLE account_day_watermark (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  seq bigint NOT NULL DEFAULT 0
);
INSERT INTO account_day_watermark DEFAULT VALUES;

-- Adds up at most so many lines more; answers how many. One at a time: who waits for the watermark goes on behind it.
CREATE FUNCTION advance_account_days(most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET jit = off AS $$
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
END $$;

-- An account's effects in a part of the journal. A function, so that the bounds may come out of another table's rows
-- and still lead into the account's indexes.
CREATE FUNCTION account_effects(of_account uuid, from_seq bigint, until_seq bigint)
RETURNS TABLE (at bigint, debits_posted numeric, credits_posted numeric, debits_pending numeric, credits_pending numeric)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
  SELECT e.at, e.debits_posted, e.credits_posted, e.debits_pending, e.credits_pending
  FROM line_effect e WHERE e.account = of_account AND e.seq >= from_seq AND e.seq < until_seq
$$;

DO $$ BEGIN
  EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END $$;
GRANT SELECT ON line_effect, account_day, account_day_watermark TO anchorbook_app;
GRANT EXECUTE ON FUNCTION advance_account_days(bigint), account_effects(uuid, bigint, bigint) TO anchorbook_app;
