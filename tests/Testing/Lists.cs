namespace OrleansCache.Testing;

/// <summary>The catalog's lists of nodes that somebody looks for, beside the states of their rows.</summary>
public static class Lists
{
    /// <summary>One row of text for each node whose state and lists differ; none in a catalog that is right.</summary>
    public const string Unequal = $"""
        with listed as ({Listed}), due as ({Due})
        select concat_ws(' ', d.kind, d.id, 'is', d.state, d.at, 'and not so listed') from (select * from due except all select * from listed) d
        union all select concat_ws(' ', l.kind, l.id, 'is listed as', l.state, l.at, 'and is not') from (select * from listed except all select * from due) l
        union all select concat_ws(' ', 'path', s.id, 'is', s.state, 'unwritten:', s.unwritten, 'recorded:', s.recorded) from store_path s
          where s.unwritten <> (s.state in ('live', 'condemned', 'deleting') and not s.recorded)
        """;

    /// <summary>Writes the lists anew, after states were changed by hand.</summary>
    public const string Write = """
        delete from moving_path; delete from moving_object; delete from tombstone;
        insert into moving_path select cache_id, state, id from store_path where state in ('publishing', 'condemned', 'deleting');
        insert into moving_object select cache_id, state, id from object where state in ('condemned', 'deleting');
        insert into tombstone select cache_id, coalesce(url_expires, claimed_at, '-infinity'), id from object where state = 'tombstone';
        """;

    private const string Listed = """
        select 'path' as kind, cache_id, id, state::text, null::timestamptz as at from moving_path
        union all select 'object', cache_id, id, state::text, null from moving_object
        union all select 'object', cache_id, id, 'tombstone', urls_until from tombstone
        """;

    private const string Due = """
        select 'path' as kind, cache_id, id, state::text, null::timestamptz as at from store_path where state in ('publishing', 'condemned', 'deleting')
        union all select 'object', cache_id, id, state::text, null from object where state in ('condemned', 'deleting')
        union all select 'object', cache_id, id, 'tombstone', coalesce(url_expires, claimed_at, '-infinity') from object where state = 'tombstone'
        """;
}
