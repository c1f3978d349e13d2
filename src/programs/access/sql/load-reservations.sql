SELECT r.* FROM unnest($1::text[]) AS k (id) JOIN access_reservation r ON r.id = k.id
