INSERT INTO usage (user_id, entity_type, day, used, held, version, next_expiry, told)
SELECT user_id, entity_type, day, used, held, version, next_expiry, told
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
  $8::bigint[]) AS r (user_id, entity_type, day, used, held, version, next_expiry, told)
ON CONFLICT (user_id, entity_type, day)
DO UPDATE SET used = excluded.used, held = excluded.held, version = excluded.version,
  next_expiry = excluded.next_expiry, told = excluded.told
