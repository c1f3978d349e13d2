SELECT e.* FROM unnest($1::bigint[], $2::bigint[]) AS k (book, entry)
JOIN chain_entry e ON e.book = k.book AND e.entry = k.entry
