INSERT INTO idempotency (principal, key, fingerprint, outcome, time)
SELECT principal, key, fingerprint, outcome, $5::bigint
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::json[]) AS new (principal, key, fingerprint, outcome)
