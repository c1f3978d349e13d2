-- $1 endpoint, $2 lease, $3 the last event delivered or passed over.
UPDATE webhook_delivery d
SET after_seq = CASE WHEN w.replays = d.replays THEN $3 ELSE d.after_seq END, lease = NULL, lease_until = NULL
FROM webhook w
WHERE d.webhook = $1 AND d.lease = $2 AND w.id = d.webhook
