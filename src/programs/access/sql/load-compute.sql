SELECT c.* FROM jsonb_to_recordset($1::jsonb) AS k (user_id text, entity_type integer, entity_id text)
JOIN access_compute c ON c.user_id = k.user_id AND c.entity_type = k.entity_type AND c.entity_id = k.entity_id
