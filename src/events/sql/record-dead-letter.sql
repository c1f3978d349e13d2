-- $1 endpoint, $2 lease, $3 the event that is given up, $4 what went wrong, $5 when to go on with the next one in
-- milliseconds from now, $6 how often it was tried. Lets go of the lease.
WITH given_up AS (
  UPDATE webhook_delivery d
  SET after_seq = CASE WHEN w.replays = d.replays THEN $3 ELSE d.after_seq END, attempts = 0,
    failures = d.failures + 1, failing_since = least(d.failing_since, statement_timestamp()), last_error = $4,
    next_attempt_at = statement_timestamp() + $5 * interval '1 millisecond', lease = NULL, lease_until = NULL
  FROM webhook w
  WHERE d.webhook = $1 AND d.lease = $2 AND w.id = d.webhook
  RETURNING d.webhook
)
INSERT INTO webhook_dead_letter (webhook, seq, attempts, error)
SELECT given_up.webhook, $3, $6, $4 FROM given_up
ON CONFLICT (webhook, seq) DO UPDATE
SET attempts = excluded.attempts, error = excluded.error, died_at = excluded.died_at
