SELECT * FROM wallet_owner WHERE user_id = $1 ORDER BY bound_at DESC, wallet DESC LIMIT $2
