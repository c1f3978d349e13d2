INSERT INTO idempotency (principal, key, fingerprint, outcome, time)
SELECT principal, key, decode(fingerprint, 'hex'), outcome, $5::bigint
FROM unnest($1::text[], $2::text[], $3::text[], $4::json[]) AS new (principal, key, fingerprint, outcome)
