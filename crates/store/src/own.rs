//! What Amanah's migrations make in a protected database, by name: only that is left out where the
//! catalogue is read. Leaving out a whole schema by its name would hide what others put into it.

/// The tables that the migrations make in a protected database, as a list of SQL of schema and name.
#[macro_export]
macro_rules! own_tables {
    () => {
        "(('amanah', 'migration'), ('amanah', 'binding_key'), ('amanah', 'journal'), \
          ('amanah', 'reviewed'), ('amanah_guard', 'migration'), ('amanah_guard', 'journal'), \
          ('amanah_guard', 'isolation'), ('amanah_guard', 'admitted'), \
          ('audit', 'system_audit_logs'), ('audit', 'hidden_columns'), ('audit', 'hash_key'), \
          ('audit', 'retention'), ('audit', 'archived_months'), \
          ('audit', 'cipher_key'))"
    };
}

/// Whether the relation with this number, an expression of SQL, is a partition of the trail. They come
/// month by month, so that they are told by what they hang on.
#[macro_export]
macro_rules! own_partition {
    ($relation:literal) => {
        concat!(
            "EXISTS (SELECT FROM pg_catalog.pg_inherits own_i \
               JOIN pg_catalog.pg_class own_p ON own_p.oid = own_i.inhparent \
                AND own_p.relname = 'system_audit_logs' \
               JOIN pg_catalog.pg_namespace own_n ON own_n.oid = own_p.relnamespace \
                AND own_n.nspname = 'audit' \
               JOIN pg_catalog.pg_class own_c ON own_c.oid = own_i.inhrelid \
                AND own_c.relnamespace = own_n.oid \
              WHERE own_i.inhrelid = ",
            $relation,
            ")"
        )
    };
}

/// The functions that they make there, as an array of SQL: name and types with their schemas, as
/// `oidvectortypes` prints them.
#[macro_export]
macro_rules! own_functions {
    () => {
        "ARRAY['amanah.bind(text)', 'amanah.current_tenant()', 'amanah.current_actor()', \
          'amanah.may_write()', 'amanah.reading_tenant()', 'amanah.writing_tenant()', \
          'amanah.binding()', 'amanah.open_token(text)', \
          'amanah_guard.after_ddl()', 'amanah_guard.after_drop()', \
          'amanah_guard.look_at(text, oid)', 'amanah_guard.look_at_table(text, oid)', \
          'amanah_guard.protect(text, oid, text, text, text)', \
          'amanah_guard.by_parents(oid)', 'amanah_guard.reads_tenants(oid)', \
          'amanah_guard.open_rights(oid)', 'amanah_guard.refuse(text, text, text)', \
          'amanah_guard.lets_through()', \
          'audit.row_digest(bigint, timestamp with time zone, xid8, text, text, text, text, text, \
           text, text, bytea)', 'audit.content_digest(uuid, jsonb, jsonb, jsonb)', \
          'audit.redacted(jsonb, uuid, text[])', 'audit.keyed_digest(uuid, text)', \
          'audit.encrypted(uuid, text, jsonb)', 'audit.cipher(bytea, bytea, bytea, text)', \
          'audit.lenient(anyelement)', 'audit.leniently(oid, text)', \
          'audit.not_shown(text[])', 'audit.document(oid, anyelement)', \
          'audit.print_as(text[])', 'audit.printed_form(oid)', \
          'audit.record_row(text, text, text, text[], jsonb, jsonb)', 'audit.make_partitions()', \
          'audit.make_partition(timestamp with time zone)', 'audit.record_ddl()', \
          'audit.record_drop()', 'audit.told(text, text)', 'audit.bare(text, boolean)', \
          'audit.record_command(text, text, text, jsonb)', \
          'audit.trg_compute_audit_log_hash()', 'audit.global_track_changes()', \
          'audit.refuse_change()', 'audit.refuse_weaker_ddl()', 'audit.refuse_drop()', \
          'audit.refuse_filled_part()', 'audit.refuse_hiding()', 'audit.refuse_rewrite()', \
          'audit.ask(jsonb, text)', \
          'audit.read(uuid, xid8, bigint, bigint)', 'audit.asked_for(jsonb)', \
          'audit.asked(jsonb, pg_snapshot, xid8)', 'audit.count(uuid)', \
          'audit.record_reading(text, jsonb)', 'audit.recorded_reading(text, uuid)', \
          'audit.refuse_early()', \
          'audit.remove_month(date, bigint, bytea)', \
          'audit.erase(xid8[], bigint[], bytea[])']"
    };
}
