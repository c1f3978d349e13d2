SELECT c.* FROM unnest($1::text[], $2::bigint[], $3::text[]) AS k (user_id, entity_type, entity_id)
JOIN access_compute c ON c.user_id = k.user_id AND c.entity_type = k.entity_type AND c.entity_id = k.entity_id
