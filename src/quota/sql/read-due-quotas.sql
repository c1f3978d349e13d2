-- $1: how many holds to look at. Days of quotas with holds that are due, those first that were due first.
SELECT user_id, entity_type, day, count(*)::int AS due
FROM (
  SELECT user_id, entity_type, day, expires_at FROM quota_hold
  WHERE status = 'open' AND expires_at <= (SELECT ledger_now())
  ORDER BY expires_at
  LIMIT $1
) AS first
GROUP BY user_id, entity_type, day
ORDER BY min(expires_at)
