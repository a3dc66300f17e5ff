//! The statements about cells whose server is gone, and what lay there.

/// Tenants that are on their way to the cell `$1` and still whole on another.
pub(super) const COMING: &str = "
SELECT t.id FROM tenancy.tenants t
 WHERE NOT t.canary AND t.target = $1 AND t.cell <> $1 ORDER BY 1";

/// The tenants of the cell `$1`, synthetic ones apart.
pub(super) const THERE: &str =
    "SELECT t.id FROM tenancy.tenants t WHERE NOT t.canary AND t.cell = $1 ORDER BY 1";

/// What lies on the cell `$1`: place, tenant, what it is, version of its schema.
/// One that is being moved away is what it was before.
pub(super) const LYING: &str = "
SELECT y.place, y.id, y.was, y.schema_version
  FROM (SELECT t.place, t.id, COALESCE(t.before, t.state), t.schema_version
          FROM tenancy.tenants t WHERE t.cell = $1 AND NOT t.canary
         UNION ALL
        SELECT l.place, t.id, 'copy', NULL
          FROM tenancy.leftovers l LEFT JOIN tenancy.tenants t ON t.place = l.place
         WHERE l.cell = $1) y (place, id, was, schema_version)
 ORDER BY y.was = 'copy', y.id, y.place";

/// Copies on other cells of the tenants of the cell `$1`: place, cell, until when, but for those
/// that are being erased. They are kept until `$2` at least.
pub(super) const REMNANTS: &str = "
SELECT l.place, l.cell, GREATEST(l.due, $2)
  FROM tenancy.leftovers l JOIN tenancy.tenants t ON t.place = l.place
 WHERE t.cell = $1 AND NOT t.canary AND t.state <> 'erasing' AND l.cell <> $1
 ORDER BY 1, 2";

pub(super) const KEEP_REMNANTS: &str = "
UPDATE tenancy.leftovers l SET due = GREATEST(l.due, $2)
  FROM tenancy.tenants t
 WHERE t.place = l.place AND t.cell = $1 AND NOT t.canary AND t.state <> 'erasing'
   AND l.cell <> $1";

/// Notes all that lies on the cell `$1` as lost.
pub(super) const LOSE: &str = "
INSERT INTO tenancy.losses
       (cell, server, place, tenant, tenant_sha256, was, schema_version, erasing, lost_at, lost_by,
        silence)
SELECT c.name, c.server, t.place, t.id,
       pg_catalog.sha256(pg_catalog.convert_to(t.id, 'UTF8')), COALESCE(t.before, t.state),
       t.schema_version, pg_catalog.to_jsonb(e) - 'id', $2::timestamptz, $3::text, $4::text
  FROM tenancy.cells c
  JOIN tenancy.tenants t ON t.cell = c.name AND NOT t.canary
  LEFT JOIN tenancy.erasing e ON e.id = t.id
 WHERE c.name = $1
UNION ALL
SELECT c.name, c.server, l.place, t.id,
       COALESCE(pg_catalog.sha256(pg_catalog.convert_to(t.id, 'UTF8')),
                (SELECT x.tenant_sha256 FROM tenancy.erasures x WHERE x.place = l.place LIMIT 1),
                (SELECT x.tenant_sha256 FROM tenancy.losses x WHERE x.place = l.place LIMIT 1)),
       'copy', NULL, NULL, $2, $3, $4
  FROM tenancy.cells c
  JOIN tenancy.leftovers l ON l.cell = c.name
  LEFT JOIN tenancy.tenants t ON t.place = l.place
 WHERE c.name = $1";

/// Synthetic ones too.
pub(super) const FORGET_TENANTS: &str = "DELETE FROM tenancy.tenants WHERE cell = $1";

pub(super) const FORGET_COPIES: &str = "DELETE FROM tenancy.leftovers WHERE cell = $1";

/// Every loss, the latest first, with the names of those who were not erased since.
pub(super) const LOSSES: &str = "
SELECT cell, server, place, tenant, tenant_sha256, was, schema_version, lost_at, lost_by, silence
  FROM tenancy.losses ORDER BY lost_at DESC, tenant, place";

/// What was lost of the tenant `$1`: cell, place, when, what it was, how many keys an erasure had
/// destroyed.
pub(super) const LOST_OF: &str = "
SELECT cell, place, lost_at, was, pg_catalog.jsonb_array_length(erasing -> 'gone' -> 'keys')
  FROM tenancy.losses WHERE tenant = $1 ORDER BY lost_at, place";

/// Whether a whole tenant of the name `$1` was lost and not erased since.
pub(super) const WAS_LOST: &str = "
SELECT EXISTS (SELECT FROM tenancy.losses WHERE tenant = $1 AND was IN ('active', 'suspended'))";
