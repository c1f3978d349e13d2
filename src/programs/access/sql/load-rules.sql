-- One row with all rules, whatever the key: amounts as text, so that none passes through a double.
SELECT
  (SELECT jsonb_agg(to_jsonb(t) || jsonb_build_object('required_tst', t.required_tst::text) ORDER BY t.tier)
   FROM access_tier t) AS tiers,
  (SELECT jsonb_agg(to_jsonb(l) || jsonb_build_object('required_tst', l.required_tst::text) ORDER BY l.required_tst)
   FROM access_level l) AS levels,
  (SELECT jsonb_agg(to_jsonb(e) || jsonb_build_object('required_tst', e.required_tst::text) ORDER BY e.entity_type)
   FROM access_entity e) AS entities
