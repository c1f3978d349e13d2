-- $1 endpoint, $2 lease, $3 event, $4 how long the lease holds on in milliseconds. No row: the lease went to
-- somebody else, the endpoint was deleted, or a replay was asked for meanwhile.
WITH mended AS (
  DELETE FROM webhook_dead_letter l
  USING webhook_delivery d
  WHERE l.webhook = $1 AND l.seq = $3 AND d.webhook = $1 AND d.lease = $2
)
UPDATE webhook_delivery d
SET after_seq = $3, delivered_seq = $3, delivered_at = statement_timestamp(), attempts = 0, failures = 0,
  failing_since = NULL, last_error = NULL, next_attempt_at = '-infinity',
  lease_until = statement_timestamp() + $4 * interval '1 millisecond'
FROM webhook w
WHERE d.webhook = $1 AND d.lease = $2 AND w.id = d.webhook AND w.deleted_at IS NULL AND w.replays = d.replays
RETURNING d.webhook
