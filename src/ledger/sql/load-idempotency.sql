SELECT i.principal, i.key, encode(i.fingerprint, 'hex') AS fingerprint, i.outcome
FROM unnest($1::text[], $2::text[]) AS wanted (principal, key)
JOIN idempotency i ON i.principal = wanted.principal AND i.key = wanted.key
