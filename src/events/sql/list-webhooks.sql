-- Endpoints that are not deleted, by id after $1, at most $2; or the one of id $3.
SELECT w.id, w.url, w.types, w.created_by, w.created_at, d.delivered_seq, d.attempts, d.failures, d.last_error,
  CASE WHEN d.replays < w.replays THEN w.replay_from - 1 ELSE d.after_seq END AS after_seq,
  h.next_event - 1 AS newest_seq,
  floor(extract(epoch FROM d.delivered_at))::bigint AS delivered_at,
  CASE WHEN d.failures > 0 THEN ceil(extract(epoch FROM d.next_attempt_at))::bigint END AS next_attempt_at,
  (SELECT count(*) FROM webhook_dead_letter l WHERE l.webhook = w.id) AS dead_letters
FROM webhook w JOIN webhook_delivery d ON d.webhook = w.id CROSS JOIN journal_head h
WHERE w.deleted_at IS NULL AND ($1::text IS NULL OR w.id > $1) AND ($3::text IS NULL OR w.id = $3)
ORDER BY w.id LIMIT $2
