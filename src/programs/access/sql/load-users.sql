SELECT u.* FROM jsonb_to_recordset($1::jsonb) AS k (user_id text) JOIN access_user u ON u.user_id = k.user_id
