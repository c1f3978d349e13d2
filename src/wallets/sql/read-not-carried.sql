SELECT * FROM wallet_user WHERE NOT carried AND (user_id, asset) > ($1, $2) ORDER BY user_id, asset LIMIT $3
