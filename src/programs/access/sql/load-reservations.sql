SELECT r.* FROM jsonb_to_recordset($1::jsonb) AS k (id text) JOIN access_reservation r ON r.id = k.id
