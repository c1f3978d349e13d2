SELECT l.* FROM unnest($1::text[]) AS k (id) JOIN access_lock l ON l.id = k.id
