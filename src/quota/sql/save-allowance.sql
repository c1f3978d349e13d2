INSERT INTO allowance (user_id, entity_type, quota_per_day, version)
SELECT user_id, entity_type, quota_per_day, version
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS r (user_id, entity_type, quota_per_day, version)
ON CONFLICT (user_id, entity_type)
DO UPDATE SET quota_per_day = excluded.quota_per_day, version = excluded.version
