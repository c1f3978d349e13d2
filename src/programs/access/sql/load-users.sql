SELECT u.* FROM unnest($1::text[]) AS k (user_id) JOIN access_user u ON u.user_id = k.user_id
