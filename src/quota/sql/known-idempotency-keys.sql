-- $1: [{"principal", "key"}]. Those that stand for an effect.
SELECT i.principal, i.key
FROM json_to_recordset($1) AS q (principal text, key text)
JOIN idempotency i ON i.principal = q.principal AND i.key = q.key
