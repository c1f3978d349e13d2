SELECT w.* FROM jsonb_to_recordset($1::jsonb) AS k (id text) JOIN webhook w ON w.id = k.id
