SELECT w.* FROM unnest($1::text[]) AS k (id) JOIN withdrawal w ON w.id = k.id
