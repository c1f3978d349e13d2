INSERT INTO access_consumed_unit (id, user_id, entity_type, entity_id, created_at)
SELECT id, user_id, entity_type, entity_id, created_at
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[]) AS r (id, user_id, entity_type, entity_id,
  created_at)
