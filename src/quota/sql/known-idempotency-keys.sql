-- Those that stand for an effect.
SELECT i.principal, i.key
FROM unnest($1::text[], $2::text[]) AS q (principal, key)
JOIN idempotency i ON i.principal = q.principal AND i.key = q.key
