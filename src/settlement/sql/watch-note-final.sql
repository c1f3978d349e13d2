-- Events that have no line count as soon as their block is final.
UPDATE chain_event SET final = true
WHERE book = $1 AND block <= $2 AND NOT final AND event <> ALL ($3::text[])
