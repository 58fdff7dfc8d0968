using System.Diagnostics;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Collect.Mark;
using OrleansCache.Core.Collect.Order;
using OrleansCache.Core.Collect.Sweep;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pushes;
using OrleansCache.Nix;

namespace OrleansCache.Core.Collect;

/// <summary>The collector's transitions, typed: one method, one statement.</summary>
internal sealed class GcCatalog(CatalogDatabase database)
{
    private const string Columns =
        "id, cache_id, operation, state::text, phase, scheduled, dry_run, older_than, failed_uploads_older_than, grace, started, " +
            "finished, error, paths, objects, failed_uploads, old_closures, condemned, deleted, failed, bytes, owner";

    /// <summary>
    /// The new run, the run that the operation started before, or the run that blocks it; null when that one has just ended.
    /// </summary>
    public async Task<GcRow?> StartAsync(int cache, OperationId operation, bool scheduled, GcRequest request, TimeSpan older,
        TimeSpan failed, TimeSpan grace, string owner, Caller caller, CancellationToken cancellationToken) =>
        (await database.ListAsync($"select {Columns} from @fn@.gc_start($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            p => p.With(cache).With(operation.Value).With(scheduled).With(request.DryRun).With(older).With(failed).With(grace).With(owner)
                .With(caller.Publisher).WithAddress(caller), Read, cancellationToken)).FirstOrDefault();

    public async Task<GcRow?> AdoptAsync(int cache, string owner, TimeSpan lease, CancellationToken cancellationToken) =>
        (await database.ListAsync($"select {Columns} from @fn@.gc_adopt($1, $2, $3)", p => p.With(cache).With(owner).With(lease), Read,
            cancellationToken)).FirstOrDefault();

    /// <summary>Null when another owner has the run; otherwise whether its cancellation was requested.</summary>
    public async Task<bool?> BeatAsync(long run, string owner, GcProgress progress, CancellationToken cancellationToken)
    {
        var c = progress;
        var rows = await database.ListAsync("select cancelling from @fn@.gc_beat($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            p => p.With(run).With(owner).With(c.Phase).With(c.Paths).With(c.Objects).With(c.FailedUploads).With(c.OldClosures)
                .With(c.Condemned).With(c.Deleted).With(c.Failed).With(c.Bytes),
            r => r.GetBoolean(0), cancellationToken);
        return rows.Count == 0 ? null : rows[0];
    }

    public Task EndAsync(long run, string owner, GcState state, string? error, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.gc_end($1, $2, $3, $4)",
            p => p.With(run).With(owner).With(state.ToString().ToLowerInvariant())
                .WithNullable(error, NpgsqlTypes.NpgsqlDbType.Text), cancellationToken);

    /// <summary>Gives a run up, so that another process goes on with it at once.</summary>
    public Task ReleaseAsync(long run, string owner, CancellationToken cancellationToken) =>
        database.RunAsync("update gc_run set heartbeat = '-infinity', owner = '' where id = $1 and owner = $2 and state = 'running'", p =>
            p.With(run).With(owner), cancellationToken);

    public async Task<GcRow?> FindAsync(int cache, long run, CancellationToken cancellationToken) =>
        (await database.ListAsync($"select {Columns} from gc_run where cache_id = $1 and id = $2", p => p.With(cache).With(run), Read,
            cancellationToken)).FirstOrDefault();

    /// <summary>Newest first.</summary>
    public Task<List<GcRow>> HistoryAsync(int cache, int limit, CancellationToken cancellationToken) =>
        database.ListAsync($"select {Columns} from gc_run where cache_id = $1 order by id desc limit $2", p => p.With(cache).With(limit),
            Read, cancellationToken);

    public async Task<GcRow?> CancelAsync(int cache, CancellationToken cancellationToken) =>
        (await database.ListAsync($"update gc_run set cancelling = true where cache_id = $1 and state = 'running' returning {Columns}", p =>
            p.With(cache), Read, cancellationToken)).FirstOrDefault();

    public Task<long> BarrierAsync(int cache, long run, string owner, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.gc_barrier($1, $2, $3)", p => p.With(cache).With(run).With(owner), r => r.GetInt64(0),
            cancellationToken);

    /// <summary>The graph and the set that its roots reach, in one new snapshot.</summary>
    /// <param name="trace">Records the chain to each path, from a pin where there is one.</param>
    /// <exception cref="GraphDamagedException">A path refers to a row that is not there.</exception>
    public Task<(MarkGraph Graph, ReachableSet ReachableSet)> MarkAsync(int cache, TimeSpan older, bool trace, GcPace pace,
        CancellationToken cancellationToken) =>
        database.SnapshotAsync(async connection =>
        {
            var roots = new List<GcRoot>();
#pragma warning disable CA2100 // The schema's name is ours.
            await using (var command =
                new NpgsqlCommand($"select kind, name, until, paths, objects from {database.Functions}.gc_roots($1, $2)", connection))
#pragma warning restore CA2100
            {
                command.Parameters.With(cache).With(older);
                await using var reader = await command.ExecuteReaderAsync(cancellationToken);
                while (await reader.ReadAsync(cancellationToken))
                {
                    roots.Add(new GcRoot(
                        reader.GetString(0), reader.IsDBNull(1) ? null : reader.GetString(1), reader.IsDBNull(2) ? null
                            : reader.GetDateTime(2),
                        reader.GetFieldValue<long[]>(3), reader.GetFieldValue<long[]>(4)));
                }
            }

            var graph = new MarkGraph();
            await GraphReader.ReadPathsAsync(connection, cache, graph, pace, cancellationToken);
            graph.SealPaths();
            // The database sends the objects while this process walks the paths: two processors work.
            var walk = Task.Run(() => graph.MarkAsync(trace ? roots.OrderBy(r => r.Kind != "pin") : roots, trace, pace, cancellationToken),
                cancellationToken);
            await Task.WhenAll(walk, GraphReader.ReadObjectsAsync(connection, cache, graph, pace, cancellationToken));
            var marks = await walk;
            graph.CheckObjects(marks);
            return (graph, marks);
        }, cancellationToken);

    public Task<int> ForgetClosuresAsync(int cache, TimeSpan older, int limit, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.gc_forget_closures($1, $2, $3)", p => p.With(cache).With(older).With(limit), r =>
            r.GetInt32(0), cancellationToken);

    public Task<long> OldClosuresAsync(int cache, TimeSpan older, CancellationToken cancellationToken) =>
        database.SingleAsync("select count(*) from root where cache_id = $1 and pushed + $2 < clock_timestamp()", p => p.With(cache)
            .With(older), r => r.GetInt64(0), cancellationToken);

    public Task<int> CondemnPathsAsync(int cache, long g, long[] ids, CancellationToken cancellationToken) =>
        BatchAsync("gc_condemn_paths", cache, g, ids, cancellationToken);

    public Task<int> CondemnObjectsAsync(int cache, long g, long[] ids, CancellationToken cancellationToken) =>
        BatchAsync("gc_condemn_objects", cache, g, ids, cancellationToken);

    public Task<int> SweepPathsAsync(int cache, long g, long[] ids, CancellationToken cancellationToken) =>
        BatchAsync("gc_sweep_paths", cache, g, ids, cancellationToken);

    /// <summary>Sweeps objects; with a fence, takes them for their deletion in the same transaction.</summary>
    public async Task<(List<DeletingObject> Swept, long Bytes)> SweepObjectsAsync(int cache, long g, long[] ids, TimeSpan? fence,
        TimeSpan late, CancellationToken cancellationToken)
    {
        var rows = await database.ListAsync(
            "select id, key, multipart_id, generation, fence, file_size from @fn@.gc_sweep_objects($1, $2, $3, $4, $5)",
            p => p.With(cache).With(g).With(ids).WithNullable(fence, NpgsqlTypes.NpgsqlDbType.Interval).With(late),
            r => (Object: DeletingObject.Read(r), Size: r.IsDBNull(5) ? 0 : r.GetInt64(5)), cancellationToken);
        return (rows.ConvertAll(r => r.Object), rows.Sum(r => r.Size));
    }

    public Task<List<CondemnedNode>> CondemnedAsync(int cache, long g, TimeSpan grace, CancellationToken cancellationToken) =>
        database.ListAsync("select is_path, id, due, refs, objects from @fn@.gc_condemned($1, $2, $3)", p => p.With(cache)
            .With(g).With(grace),
            r => new CondemnedNode(r.GetBoolean(0), r.GetInt64(1), r.GetBoolean(2), r.GetFieldValue<long[]>(3), r.GetFieldValue<long[]>(4)),
                cancellationToken);

    /// <summary>How many deletions are under way.</summary>
    /// <param name="late">How long after the expiry of its URL an upload may still arrive: a NAR's second deletion waits for it.</param>
    public Task<(long Paths, long Objects)> DeletingAsync(int cache, TimeSpan late, CancellationToken cancellationToken) =>
        database.SingleAsync(
            """
            select (select count(*) from moving_path where cache_id = $1 and state = 'deleting'),
              (select count(*) from moving_object where cache_id = $1 and state = 'deleting')
              + (select count(*) from tombstone t cross join lateral (select from object o where o.id = t.id and o.fence is not null limit 1) o
                 where t.cache_id = $1 and t.urls_until < (select clock_timestamp() - $2))
            """,
            p => p.With(cache).With(late), r => (r.GetInt64(0), r.GetInt64(1)), cancellationToken);

    /// <summary>A path's row: null when it never was.</summary>
    public async Task<(long Id, string Name, string State, DateTime? CondemnedAt, string? Verification)?> PathAsync(int cache,
        StorePathHash path, CancellationToken cancellationToken)
    {
        var rows =
            await database.ListAsync(
            "select id, name, state::text, condemned_at, @fn@.verification_of(id) from store_path " +
                "where cache_id = $1 and hash = $2 and name <> ''", p =>
            p.With(cache).With(path.ToArray()),
            r => (r.GetInt64(0), r.GetString(1), r.GetString(2), r.IsDBNull(3) ? (DateTime?)null : r.GetDateTime(3),
                r.IsDBNull(4) ? null : r.GetString(4)), cancellationToken);
        return rows.Count == 0 ? null : rows[0];
    }

    public Task<List<(long Id, StorePath Path)>> NamesAsync(IReadOnlyList<long> ids, CancellationToken cancellationToken) =>
        new PushCatalog(database)
        .PathsAsync(ids, cancellationToken);

    private Task<int> BatchAsync(string function, int cache, long g, long[] ids, CancellationToken cancellationToken) =>
        database.SingleAsync($"select @fn@.{function}($1, $2, $3)", p => p.With(cache).With(g).With(ids), r => r.GetInt32(0),
            cancellationToken);

    private static GcRow Read(NpgsqlDataReader r) => new(
        new GcRun
        {
            Id = r.GetInt64(0),
            State = Enum.Parse<GcState>(r.GetString(3), ignoreCase: true),
            Phase = r.GetString(4),
            Scheduled = r.GetBoolean(5),
            DryRun = r.GetBoolean(6),
            OlderThanSeconds = r.GetTimeSpan(7).TotalSeconds,
            FailedUploadsOlderThanSeconds = r.GetTimeSpan(8).TotalSeconds,
            GraceSeconds = r.GetTimeSpan(9).TotalSeconds,
            Started = r.GetDateTime(10),
            Finished = r.IsDBNull(11) ? null : r.GetDateTime(11),
            Error = r.IsDBNull(12) ? null : r.GetString(12),
            Paths = r.GetInt64(13),
            Objects = r.GetInt64(14),
            FailedUploadsDeleted = r.GetInt64(15),
            OldClosuresDeleted = r.GetInt64(16),
            ObjectsMarkedForDeletion = r.GetInt64(17),
            ObjectsDeletedAfterGracePeriod = r.GetInt64(18),
            ObjectsFailedToDelete = r.GetInt64(19),
            BytesFreed = r.GetInt64(20),
        },
        r.GetInt32(1), r.GetString(2), r.GetString(21));
}

internal sealed record GcRow(GcRun Run, int Cache, string Operation, string Owner);

/// <summary>What a run has done so far; its owner alone writes it.</summary>
internal sealed class GcProgress
{
    private long _phaseBegan = Stopwatch.GetTimestamp();

    public string Phase
    {
        get;
        set
        {
            EndPhase();
            field = value;
        }
    } = "starting";

    public long Paths { get; set; }

    public long Objects { get; set; }

    public long FailedUploads { get; set; }

    public long OldClosures { get; set; }

    public long Condemned { get; set; }

    public long Deleted { get; set; }

    /// <summary>Swept rows whose deletion is not confirmed yet.</summary>
    public long Failed { get; set; }

    public long Bytes { get; set; }

    /// <summary>What the store refused to delete, and why.</summary>
    public string? Refusal { get; set; }

    /// <summary>Tells how long the phase took.</summary>
    public void EndPhase()
    {
        Telemetry.GcPhases.Record(Stopwatch.GetElapsedTime(_phaseBegan).TotalSeconds, new KeyValuePair<string, object?>("phase", Phase));
        _phaseBegan = Stopwatch.GetTimestamp();
    }
}
