SELECT s.* FROM jsonb_to_recordset($1::jsonb) AS k (id text) JOIN access_stake s ON s.id = k.id
