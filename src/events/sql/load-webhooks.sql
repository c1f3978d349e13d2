SELECT w.* FROM unnest($1::text[]) AS k (id) JOIN webhook w ON w.id = k.id
