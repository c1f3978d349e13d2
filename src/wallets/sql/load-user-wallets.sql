SELECT w.* FROM unnest($1::text[], $2::text[]) AS k (user_id, asset)
JOIN wallet_user w ON w.user_id = k.user_id AND w.asset = k.asset
