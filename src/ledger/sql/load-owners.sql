SELECT id, salt, wallet_address FROM owner WHERE id = ANY ($1::text[])
