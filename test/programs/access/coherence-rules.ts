/** What must hold after any history of the access program, in plain SQL: rows, totals, accounts and positions tell the same story. */
export const ACCESS_RULES: Readonly<Record<string, string>> = {
  "a user's totals are not the sums of what is active": `
    SELECT u.user_id FROM access_user u
    WHERE (u.locked, u.active_locks) <> (
        SELECT coalesce(sum(amount), 0), count(*) FROM access_lock l WHERE l.user_id = u.user_id AND l.status = 'locked')
      OR (u.staked, u.active_stakes) <> (
        SELECT coalesce(sum(amount), 0), count(*) FROM access_stake s WHERE s.user_id = u.user_id AND s.status = 'staked')
      OR (u.reserved, u.active_reservations) <> (
        SELECT coalesce(sum(amount), 0), count(*) FROM access_reservation r
        WHERE r.user_id = u.user_id AND r.status = 'reserved')
      OR u.stakes_by_tier IS DISTINCT FROM (
        SELECT coalesce(jsonb_object_agg(tier, n), '{}') FROM (
          SELECT tier, count(*) AS n FROM access_stake s
          WHERE s.user_id = u.user_id AND s.status = 'staked' GROUP BY tier) AS t)
      OR u.quota_by_entity IS DISTINCT FROM (
        SELECT coalesce(jsonb_object_agg(entity_type, n), '{}') FROM (
          SELECT entity_type, sum(quota_per_day) AS n FROM access_reservation r
          WHERE r.user_id = u.user_id AND r.status = 'reserved' GROUP BY entity_type) AS t)`,
  "an account does not hold what is active on it": `
    SELECT a.id FROM account a
    WHERE a.asset = 'TST' AND a.role IN ('locked', 'staked', 'reserved') AND a.credits_posted - a.debits_posted <> (
      SELECT coalesce(sum(amount), 0) FROM (
        SELECT amount FROM access_lock WHERE account = a.id AND status = 'locked'
        UNION ALL SELECT amount FROM access_stake WHERE account = a.id AND status = 'staked'
        UNION ALL SELECT amount FROM access_reservation WHERE account = a.id AND status = 'reserved') AS held)`,
  "a settled position does not say what is active": `
    SELECT p.account FROM position p
    JOIN access_lock l ON l.account = p.account AND l.status = 'locked'
    WHERE (p.section, p.valid_until, p.kind, p.quantity) IS DISTINCT FROM (1::smallint, l.locked_until, l.level::bigint, 0::bigint)
    UNION ALL
    SELECT p.account FROM position p
    JOIN access_stake s ON s.account = p.account AND s.status = 'staked'
    WHERE (p.section, p.valid_until, p.kind, p.quantity) IS DISTINCT FROM (2::smallint, s.expires_at, s.tier::bigint, 0::bigint)
    UNION ALL
    SELECT p.account FROM position p
    JOIN (SELECT account, max(reserved_until) AS until, min(entity_type) AS kind, sum(quota_per_day) AS quantity
          FROM access_reservation WHERE status = 'reserved' GROUP BY account) AS r ON r.account = p.account
    WHERE (p.section, p.kind, p.quantity) IS DISTINCT FROM (3::smallint, r.kind::bigint, r.quantity)
      -- A later end that is over: what ended last was ended first, and the others are due.
      OR p.valid_until < r.until OR (p.valid_until > r.until AND p.valid_until > ledger_now())`,
  "an allowance is not the tier's quota and the reservations": `
    SELECT w.user_id FROM allowance w
    JOIN access_user u ON u.user_id = w.user_id
    LEFT JOIN LATERAL (SELECT max(tier) AS tier FROM access_stake s
      WHERE s.user_id = u.user_id AND s.status = 'staked') AS top ON true
    JOIN access_tier t ON t.tier = coalesce(top.tier, 0)
    WHERE w.quota_per_day <> t.quota_per_day + coalesce((u.quota_by_entity ->> w.entity_type::text)::bigint, 0)`,
  "TST was made or lost": `
    SELECT 1 FROM (SELECT sum(credits_posted) - sum(debits_posted) AS net,
      sum(credits_posted - debits_posted) FILTER (WHERE role <> 'custody') AS held FROM account WHERE asset = 'TST') AS s
    WHERE net <> 0 OR held <> 1000000000000000000000000 + (
      SELECT coalesce(sum(CASE code WHEN 'entry_credit' THEN amount ELSE -amount END), 0) FROM transfer
      WHERE asset = 'TST' AND code IN ('entry_credit', 'withdrawal_claimed'))`,
};
