SELECT s.* FROM unnest($1::text[]) AS k (id) JOIN access_stake s ON s.id = k.id
