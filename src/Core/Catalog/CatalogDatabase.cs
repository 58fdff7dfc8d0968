using System.Data;
using System.Diagnostics;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;

namespace OrleansCache.Core.Catalog;

/// <summary>
/// The catalog's PostgreSQL: pooled connections, and statements that are each a whole transition.
/// </summary>
/// <remarks>
/// Every transition is one call of a function in the database, in a transaction of its own: no transaction is open while a process
/// thinks, so a process that stops holds no lock. No session state is used; a transaction-pooling proxy may stand in between.
/// </remarks>
public sealed class CatalogDatabase : IAsyncDisposable
{
    private const int MaxAttempts = 8;
    private const int MaxGroupedAttempts = 3;
    private const int MaxSnapshots = 3;
    private const string LockTimeout = "55P03";
    private const string ReadOnly = "25006";
    private readonly NpgsqlDataSource _source;
    private long _statements;

    private CatalogDatabase(NpgsqlDataSource source, CatalogChanges changes) => (_source, Changes) = (source, changes);

    /// <summary>The schema that holds this version's functions.</summary>
    public string Functions => Changes.Functions;

    /// <summary>What opening it changed in the database.</summary>
    public CatalogChanges Changes { get; }

    /// <summary>A seam for tests: awaited before each statement, with its text.</summary>
    internal Func<string, CancellationToken, Task>? BeforeStatement { get; set; }

    /// <summary>Statements sent since the start, for benchmarks and metrics.</summary>
    public long StatementCount => Interlocked.Read(ref _statements);

    /// <summary>Connects, and brings the schema up to date; many processes may do so at once.</summary>
    /// <exception cref="NpgsqlException">The database cannot be reached or refuses.</exception>
    /// <param name="tell">Is told what the upgrade waits for, if it has to.</param>
    public static async Task<CatalogDatabase> OpenAsync(string connectionString, CancellationToken cancellationToken,
        Func<string, string>? patch = null, Action<string>? tell = null)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString) { NoResetOnClose = true, Enlist = false, MaxAutoPrepare = 0 };
        if (settings.ApplicationName is null)
            settings.ApplicationName = "orleans-cache";
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = settings.ApplicationName };
        // Only requests are traced: the background work would add a trace every few seconds.
        builder.ConfigureTracing(tracing => tracing.ConfigureCommandFilter(static _ => Activity.Current is not null)
            .EnablePhysicalOpenTracing(false));
        var source = builder.Build();
        try
        {
            return new CatalogDatabase(source, await CatalogSchema.InstallAsync(source, patch, tell, cancellationToken));
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Runs one statement, and repeats it after a deadlock, a serialisation failure or a lost connection: every statement here may run
    /// twice. <c>@fn@</c> stands for the schema of the functions. A refused <paramref name="grouped"/> statement is repeated less often and
    /// throws its <see cref="PostgresException"/>, as its sender tries a smaller group.
    /// </summary>
    public async Task<T> RunAsync<T>(
        string sql, Action<NpgsqlParameterCollection> bind, Func<NpgsqlDataReader, CancellationToken, Task<T>> read,
        CancellationToken cancellationToken, bool grouped = false)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (BeforeStatement is { } before)
                await before(sql, cancellationToken);
            try
            {
                await using var connection = await _source.OpenConnectionAsync(cancellationToken);
                await using var command = new NpgsqlCommand(sql.Replace("@fn@", Functions, StringComparison.Ordinal), connection);
                bind(command.Parameters);
                Interlocked.Increment(ref _statements);
                await using var reader = await command.ExecuteReaderAsync(cancellationToken);
                return await read(reader, cancellationToken);
            }
            catch (NpgsqlException e)
            {
                var answer = Count(e);
                if (grouped && e is PostgresException && answer.Step is not (DatabaseStep.Reconnect or DatabaseStep.Tell)
                    && (attempt == MaxGroupedAttempts || answer.Step is not (DatabaseStep.Repeat or DatabaseStep.RepeatOnce)
                        || e.SqlState == LockTimeout))
                    throw;
                if (IsLast(attempt, MaxAttempts, answer))
                {
                    if (answer.Step == DatabaseStep.Fail)
                        throw;
                    throw new CacheProblemException(answer.Kind, answer.Sentence, inner: e);
                }

                await PauseAsync(e, attempt, cancellationToken);
            }
        }
    }

    public Task RunAsync(string sql, Action<NpgsqlParameterCollection> bind, CancellationToken cancellationToken) =>
        RunAsync(sql, bind, static (_, _) => Task.FromResult(true), cancellationToken);

    /// <summary>All rows of a statement.</summary>
    public Task<List<T>> ListAsync<T>(string sql, Action<NpgsqlParameterCollection> bind, Func<NpgsqlDataReader, T> row,
        CancellationToken cancellationToken) =>
        RunAsync(sql, bind, async (reader, stop) =>
        {
            var rows = new List<T>();
            while (await reader.ReadAsync(stop))
                rows.Add(row(reader));
            return rows;
        }, cancellationToken);

    /// <summary>The first row of a statement that has one.</summary>
    public Task<T> SingleAsync<T>(string sql, Action<NpgsqlParameterCollection> bind, Func<NpgsqlDataReader, T> row,
        CancellationToken cancellationToken) =>
        RunAsync(sql, bind, async (reader, stop) =>
            await reader.ReadAsync(stop) ? row(reader) : throw new DataException("the statement answered no row"), cancellationToken);

    /// <summary>
    /// Runs a large read over one connection, in one snapshot. Where a repetition may help (the pooled connection may have been dead), it
    /// begins again in a later snapshot.
    /// </summary>
    /// <exception cref="CacheProblemException">The database went away: discard what was read and read all of it again.</exception>
    public async Task<T> SnapshotAsync<T>(Func<NpgsqlConnection, Task<T>> read, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (BeforeStatement is { } before)
                await before("snapshot", cancellationToken);
            try
            {
                await using var connection = await _source.OpenConnectionAsync(cancellationToken);
                await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken);
                Interlocked.Increment(ref _statements);
                return await read(connection);
            }
            catch (NpgsqlException e) when (Count(e) is { Step: not DatabaseStep.Fail } answer)
            {
                if (IsLast(attempt, MaxSnapshots, answer))
                    throw new CacheProblemException(answer.Kind, answer.Sentence, inner: e);
                await PauseAsync(e, attempt, cancellationToken);
            }
        }
    }

    /// <summary>Has a newer program brought the database to a schema that this one does not know?</summary>
    public Task<bool> IsOutdatedAsync(CancellationToken cancellationToken) =>
        SingleAsync("select exists (select from schema_version where version > $1)", p =>
            p.Add(new NpgsqlParameter<int> { TypedValue = CatalogSchema.Version }), r => r.GetBoolean(0), cancellationToken);

    /// <summary>The reason why statements that write fail, in a sentence; null when there is none.</summary>
    /// <param name="slack">By how much the clocks may differ.</param>
    public async Task<string?> FindWriteTroubleAsync(TimeProvider time, TimeSpan slack, CancellationToken cancellationToken)
    {
        var (isReadOnly, clock) = await SingleAsync(
            "select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on', clock_timestamp()", static _ => { }, static r =>
                (r.GetBoolean(0), r.GetDateTime(1)), cancellationToken);
        if (isReadOnly)
            return DatabaseAnswer.Of(ReadOnly).Sentence;
        var ahead = time.GetUtcNow().UtcDateTime - clock;
        return ahead.Duration() <= slack ? null
            : $"This server's clock is {ahead.Duration().TotalSeconds:0} s {(ahead > TimeSpan.Zero ? "ahead of" : "behind")} the " +
                "database's: what it writes into the bucket would be refused as too late, or too early. Synchronise both (NTP).";
    }

    public Task PingAsync(CancellationToken cancellationToken) => RunAsync("select 1", static _ => { }, cancellationToken);

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    private static DatabaseAnswer Count(NpgsqlException e)
    {
        var answer = DatabaseAnswer.Of(e);
        Telemetry.DatabaseErrors.Add(1, new KeyValuePair<string, object?>("sqlstate", e is not PostgresException ? "none"
            : answer.Step == DatabaseStep.Fail ? "other" : e.SqlState));
        return answer;
    }

    private static bool IsLast(int attempt, int most, DatabaseAnswer answer) => answer.Step switch
    {
        DatabaseStep.Repeat or DatabaseStep.Reconnect => attempt == most,
        DatabaseStep.RepeatOnce => attempt == 2,
        _ => true,
    };

    private async Task PauseAsync(NpgsqlException e, int attempt, CancellationToken cancellationToken)
    {
        // The database's name leads to another server by now, and the pooled connections lead to the former one.
        if (e.SqlState == ReadOnly)
            _source.Clear();
        await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(5, 20) << attempt), cancellationToken);
    }
}
