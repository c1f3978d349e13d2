SELECT u.user_id, u.entity_type, u.day, u.used, u.held, u.version, u.next_expiry, u.told
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS q (user_id, entity_type, day)
JOIN usage u ON u.user_id = q.user_id AND u.entity_type = q.entity_type AND u.day = q.day
