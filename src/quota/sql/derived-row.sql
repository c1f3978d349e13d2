-- Derived rows follow from others and are not written; the parameter is taken and left.
SELECT 1 WHERE $1::jsonb IS NULL
