SELECT * FROM wallet_user WHERE user_id = $1 AND asset = $2
