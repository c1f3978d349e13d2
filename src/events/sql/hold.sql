-- $1 endpoint, $2 lease, $3 the last event delivered or passed over, $4 how long the lease holds on in milliseconds.
UPDATE webhook_delivery d
SET after_seq = $3, lease_until = statement_timestamp() + $4 * interval '1 millisecond'
FROM webhook w
WHERE d.webhook = $1 AND d.lease = $2 AND w.id = d.webhook AND w.deleted_at IS NULL AND w.replays = d.replays
RETURNING d.webhook
