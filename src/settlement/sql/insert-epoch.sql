INSERT INTO epoch (book, number, header, header_hash, journal_size, leaves_changed, closed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
