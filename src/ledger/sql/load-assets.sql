SELECT a.code, a.scale, a.transferable, a.mintable, a.supply_cap, a.program, a.backed,
  (SELECT jsonb_agg(jsonb_build_array(r.from_role, r.to_role, r.same_owner)) FROM asset_route r WHERE r.asset = a.code)
    AS routes
FROM asset a
WHERE a.code = ANY ($1::text[])
