/** What must be true of a ledger's books at any commit, asked of the tables themselves in plain SQL: none of these finds a row. */
import { QUOTA_RULES } from "./quota-rules.ts";

export const LEDGER_RULES: Readonly<Record<string, string>> = {
  "an asset whose debits and credits differ": `SELECT asset FROM account GROUP BY asset
    HAVING sum(debits_posted) <> sum(credits_posted) OR sum(debits_pending) <> sum(credits_pending)`,
  "an account whose balances are not the sums of its transfers": `
    SELECT a.id FROM account a
    LEFT JOIN (
      SELECT account, sum(dp) AS dp, sum(cp) AS cp, sum(dh) AS dh, sum(ch) AS ch FROM (
        SELECT debit_account AS account, amount AS dp, 0 AS cp, 0 AS dh, 0 AS ch
          FROM transfer WHERE phase IN ('single', 'post')
        UNION ALL SELECT credit_account, 0, amount, 0, 0 FROM transfer WHERE phase IN ('single', 'post')
        UNION ALL SELECT debit_account, 0, 0, amount, 0 FROM transfer p WHERE phase = 'pending'
          AND NOT EXISTS (SELECT FROM transfer r WHERE r.pending_id = p.id)
        UNION ALL SELECT credit_account, 0, 0, 0, amount FROM transfer p WHERE phase = 'pending'
          AND NOT EXISTS (SELECT FROM transfer r WHERE r.pending_id = p.id)
      ) AS moves GROUP BY account
    ) AS s ON s.account = a.id
    WHERE (a.debits_posted, a.credits_posted, a.debits_pending, a.credits_pending)
      IS DISTINCT FROM (coalesce(s.dp, 0), coalesce(s.cp, 0), coalesce(s.dh, 0), coalesce(s.ch, 0))`,
  "a hold without its open pending transfer, or the other way round": `
    SELECT coalesce(h.transfer_id, p.id) FROM hold h
    FULL JOIN (
      SELECT * FROM transfer p WHERE phase = 'pending'
        AND NOT EXISTS (SELECT FROM transfer r WHERE r.pending_id = p.id)
    ) AS p ON p.id = h.transfer_id
    WHERE h.transfer_id IS NULL OR p.id IS NULL
      OR (h.seq, h.debit_account, h.credit_account, h.amount, h.expires_at)
        IS DISTINCT FROM (p.seq, p.debit_account, p.credit_account, p.amount, p.expires_at)`,
  "a journal with a gap, or one that goes on behind its head": `
    SELECT count(*) FROM (SELECT seq FROM transfer UNION ALL SELECT seq FROM position_change
      UNION ALL SELECT seq FROM account_closing UNION ALL SELECT seq FROM chain_line) AS line
    HAVING count(*) <> (SELECT next_seq FROM journal_head) OR coalesce(min(seq), 0) <> 0
      OR coalesce(max(seq), -1) <> count(*) - 1 OR count(DISTINCT seq) <> count(*)`,
  "events with a gap, or that go on behind their head": `
    SELECT count(*) FROM event
    HAVING count(*) <> (SELECT next_event - 1 FROM journal_head) OR coalesce(min(seq), 1) <> 1
      OR coalesce(max(seq), 0) <> count(*)`,
  "a line of the journal that no event tells of, or an event of lines that are not there": `
    SELECT seq FROM (
      SELECT seq, (data ->> 'first_seq')::bigint AS first_line, (data ->> 'last_seq')::bigint + 1 AS next_line,
        coalesce(lag((data ->> 'last_seq')::bigint) OVER (ORDER BY seq), -1) + 1 AS expected,
        lead(seq) OVER (ORDER BY seq) IS NULL AS newest
      FROM event WHERE type = 'journal.appended'
    ) AS told
    WHERE first_line <> expected OR next_line <= first_line
      OR (newest AND next_line <> (SELECT next_seq FROM journal_head))`,
  "a line that is older than the one before it": `
    SELECT seq FROM (
      SELECT seq, time, lag(time) OVER (ORDER BY seq) AS earlier
      FROM (SELECT seq, time FROM transfer UNION ALL SELECT seq, time FROM position_change
        UNION ALL SELECT seq, time FROM account_closing UNION ALL SELECT seq, time FROM chain_line) AS line
    ) AS line WHERE time < earlier`,
  "a transfer by a route that its asset does not have": `
    SELECT t.id FROM transfer t
    JOIN account d ON d.id = t.debit_account JOIN account c ON c.id = t.credit_account
    LEFT JOIN asset_route r ON r.asset = t.asset AND r.from_role = d.role AND r.to_role = c.role
      AND (NOT r.same_owner OR d.owner = c.owner)
    WHERE r.asset IS NULL OR d.asset <> t.asset OR c.asset <> t.asset`,
  "an account that is closed without its line, at a balance or with a position, or that is open behind its line": `
    SELECT a.id FROM account a LEFT JOIN account_closing c ON c.account = a.id
    WHERE a.closed <> (c.account IS NOT NULL) OR (a.closed AND (a.debits_posted <> a.credits_posted OR a.debits_pending <> 0
      OR EXISTS (SELECT FROM position p WHERE p.account = a.id)))`,
  "a transfer that moves something on an account that was closed before it": `
    SELECT t.id FROM account_closing c
    JOIN transfer t ON c.account IN (t.debit_account, t.credit_account)
      AND t.seq > c.seq AND t.phase IN ('single', 'pending', 'post')`,
  "an account whose demand is open otherwise than its newest line says": `
    SELECT a.id FROM account a
    LEFT JOIN LATERAL (SELECT event FROM chain_line c WHERE c.account = a.id ORDER BY seq DESC LIMIT 1) AS last ON true
    WHERE a.exit_demanded <> (coalesce(last.event, '') = 'ExitDemanded')`,
  "a debit, other than its sweep, of an account whose exit was demanded and not served": `
    SELECT t.id FROM chain_line d
    JOIN transfer t ON t.debit_account = d.account AND t.seq > d.seq AND t.phase IN ('single', 'pending', 'post')
    WHERE d.event = 'ExitDemanded' AND t.code <> 'exit_sweep' AND NOT EXISTS (
      SELECT FROM chain_line s WHERE s.account = d.account AND s.event = 'DemandServed' AND s.seq > d.seq AND s.seq < t.seq)`,
  "a day of an account that is not the sum of what its lines did, up to the watermark": `
    SELECT account FROM account_day d
    FULL JOIN (
      SELECT account, at / 86400 AS day, sum(debits_posted) AS dp, sum(credits_posted) AS cp,
        sum(debits_pending) AS dh, sum(credits_pending) AS ch
      FROM line_effect WHERE seq < (SELECT seq FROM account_day_watermark) GROUP BY 1, 2
    ) AS s USING (account, day)
    WHERE (d.debits_posted, d.credits_posted, d.debits_pending, d.credits_pending)
      IS DISTINCT FROM (s.dp, s.cp, s.dh, s.ch)`,
  "an id that both failed and was written": "SELECT id FROM transfer JOIN failed_transfer USING (id)",
  ...QUOTA_RULES,
};
