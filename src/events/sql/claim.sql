-- Takes endpoints that something is due for and that nobody delivers to: $1 the lease, $2 how long it holds
-- in milliseconds, $3 how many at most, $4 ids to leave out. A replay that was asked for begins here.
WITH due AS (
  SELECT d.webhook, ledger_now() AS now,
    coalesce(extract(epoch FROM statement_timestamp() - d.failing_since), 0)::float8 AS failing_seconds
  FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook CROSS JOIN journal_head h
  WHERE w.deleted_at IS NULL AND d.webhook <> ALL ($4::text[])
    AND (d.lease_until IS NULL OR d.lease_until <= statement_timestamp())
    AND (d.replays < w.replays
      OR (d.after_seq < h.next_event - 1 AND d.next_attempt_at <= statement_timestamp()))
  ORDER BY d.next_attempt_at LIMIT $3
  FOR UPDATE OF d SKIP LOCKED
)
UPDATE webhook_delivery d
SET lease = $1, lease_until = statement_timestamp() + $2 * interval '1 millisecond',
  after_seq = CASE WHEN d.replays < w.replays THEN w.replay_from - 1 ELSE d.after_seq END,
  attempts = CASE WHEN d.replays < w.replays THEN 0 ELSE d.attempts END,
  replays = w.replays
FROM due, webhook w, webhook_secret s
WHERE d.webhook = due.webhook AND w.id = d.webhook AND s.webhook = d.webhook
RETURNING d.webhook, w.url, w.types, s.secret, d.after_seq, d.attempts, d.failures,
  due.failing_seconds, due.now
