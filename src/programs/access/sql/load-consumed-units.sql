SELECT u.* FROM unnest($1::text[]) AS k (id) JOIN access_consumed_unit u ON u.id = k.id
