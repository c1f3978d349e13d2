-- When the vetoed epochs of this number closed: another header of it closes later.
SELECT max(closed_at) AS closed_at FROM vetoed_epoch WHERE book = $1 AND number = $2
