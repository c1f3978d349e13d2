SELECT l.* FROM jsonb_to_recordset($1::jsonb) AS k (id text) JOIN access_lock l ON l.id = k.id
