-- $1 endpoint, $2 lease, $3 the last event passed over before this one, $4 what went wrong, $5 when to try again
-- in milliseconds from now. Lets go of the lease; a replay that was asked for meanwhile begins where it wants.
UPDATE webhook_delivery d
SET after_seq = CASE WHEN w.replays = d.replays THEN $3 ELSE d.after_seq END,
  attempts = d.attempts + 1, failures = d.failures + 1,
  failing_since = least(d.failing_since, statement_timestamp()), last_error = $4,
  next_attempt_at = statement_timestamp() + $5 * interval '1 millisecond', lease = NULL, lease_until = NULL
FROM webhook w
WHERE d.webhook = $1 AND d.lease = $2 AND w.id = d.webhook
