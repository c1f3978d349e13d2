-- The ledger's schema as text, from the catalog: one row an object, in an order that does not depend on
-- when it was made. Everything that decides what the database refuses is in it, grants included.
WITH ns AS (SELECT oid FROM pg_namespace WHERE nspname = $1),
objects (section, name, text) AS (
  SELECT 1, t.typname, format('CREATE DOMAIN %s AS %s;', t.typname, format_type(t.typbasetype, t.typtypmod))
    || coalesce((SELECT string_agg(E'\n  ' || pg_get_constraintdef(c.oid), '' ORDER BY c.conname)
                 FROM pg_constraint c WHERE c.contypid = t.oid), '')
  FROM pg_type t WHERE t.typnamespace = (SELECT oid FROM ns) AND t.typtype = 'd'
  UNION ALL
  SELECT 2, c.relname, format(E'CREATE TABLE %s (\n%s%s\n)%s;', c.relname,
    (SELECT string_agg(
        format('  %s %s', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod))
        || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
        || CASE WHEN a.attidentity <> '' THEN ' GENERATED ' || CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END || ' AS IDENTITY' ELSE '' END
        || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), ''), E',\n' ORDER BY a.attnum)
     FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    coalesce((SELECT string_agg(format(E',\n  CONSTRAINT %s %s', k.conname, pg_get_constraintdef(k.oid)), '' ORDER BY k.conname)
              FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype <> 'n'), ''),
    coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', ''))
  FROM pg_class c WHERE c.relnamespace = (SELECT oid FROM ns) AND c.relkind = 'r'
  UNION ALL
  SELECT 3, i.relname, pg_get_indexdef(i.oid) || ';'
  FROM pg_class i WHERE i.relnamespace = (SELECT oid FROM ns) AND i.relkind = 'i'
    AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.oid)
  UNION ALL
  SELECT 3, c.relname, format(E'CREATE VIEW %s AS\n%s', c.relname, pg_get_viewdef(c.oid))
  FROM pg_class c WHERE c.relnamespace = (SELECT oid FROM ns) AND c.relkind = 'v'
  UNION ALL
  SELECT 4, p.proname || pg_get_function_identity_arguments(p.oid), pg_get_functiondef(p.oid) || ';'
  FROM pg_proc p WHERE p.pronamespace = (SELECT oid FROM ns)
  UNION ALL
  SELECT 5, c.relname || t.tgname, pg_get_triggerdef(t.oid) || ';'
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
  WHERE c.relnamespace = (SELECT oid FROM ns) AND NOT t.tgisinternal
  UNION ALL
  SELECT 6, g.table_name || g.privilege_type || g.grantee,
    format('GRANT %s ON %s TO %s;', g.privilege_type, g.table_name, g.grantee)
  FROM information_schema.table_privileges g
  WHERE g.table_schema = $1 AND g.grantee <> g.grantor
  UNION ALL
  SELECT 7, g.table_name || g.column_name || g.privilege_type,
    format('GRANT %s (%s) ON %s TO %s;', g.privilege_type, g.column_name, g.table_name, g.grantee)
  FROM information_schema.column_privileges g
  WHERE g.table_schema = $1 AND g.grantee <> g.grantor AND NOT EXISTS (
    SELECT 1 FROM information_schema.table_privileges w
    WHERE w.table_schema = $1 AND w.table_name = g.table_name AND w.grantee = g.grantee AND w.privilege_type = g.privilege_type)
  UNION ALL
  SELECT 8, p.proname || pg_get_function_identity_arguments(p.oid) || coalesce(r.rolname, 'PUBLIC'),
    format('GRANT EXECUTE ON FUNCTION %s(%s) TO %s;', p.proname, pg_get_function_identity_arguments(p.oid), coalesce(r.rolname, 'PUBLIC'))
  FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
  LEFT JOIN pg_roles r ON r.oid = a.grantee
  WHERE p.pronamespace = (SELECT oid FROM ns) AND a.grantee <> p.proowner AND a.privilege_type = 'EXECUTE'
)
SELECT text FROM objects ORDER BY section, name COLLATE "C"
