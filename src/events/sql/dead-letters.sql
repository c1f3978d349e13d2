SELECT l.seq, l.attempts, l.error, floor(extract(epoch FROM l.died_at))::bigint AS died_at, e.type, e.subject, e.time, e.data
FROM webhook_dead_letter l JOIN event e ON e.seq = l.seq
WHERE l.webhook = $1 AND l.seq > $2 ORDER BY l.seq LIMIT $3
