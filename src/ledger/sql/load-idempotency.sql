SELECT wanted.principal, wanted.key, i.fingerprint, i.outcome
FROM unnest($1::text[], $2::text[]) AS wanted (principal, key)
CROSS JOIN LATERAL (
  SELECT encode(fingerprint, 'hex') AS fingerprint, outcome FROM idempotency
  WHERE principal = wanted.principal AND key = wanted.key OFFSET 0
) AS i
