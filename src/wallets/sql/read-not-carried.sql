SELECT * FROM wallet_user WHERE NOT carried AND asset = $1 AND user_id > $2 ORDER BY user_id LIMIT $3
