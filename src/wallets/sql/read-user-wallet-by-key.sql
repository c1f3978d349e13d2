SELECT * FROM wallet_user WHERE asset = $1 AND key = $2
