-- $1: [{"id", "thresholds"}]; there is nothing else to change.
UPDATE quota_kind k
SET thresholds = ARRAY(SELECT t::smallint FROM json_array_elements_text(r.thresholds) AS e (t))
FROM json_to_recordset($1) AS r (id smallint, thresholds json)
WHERE k.id = r.id
