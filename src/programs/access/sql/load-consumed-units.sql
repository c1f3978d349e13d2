SELECT u.* FROM jsonb_to_recordset($1::jsonb) AS k (id text) JOIN access_consumed_unit u ON u.id = k.id
