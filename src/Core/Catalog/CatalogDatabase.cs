using System.Data;
using System.Diagnostics;
using Npgsql;

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
    private const string LockTimeout = "55P03";
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
    public static async Task<CatalogDatabase> OpenAsync(string connectionString, CancellationToken cancel, Func<string, string>? patch = null)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString) { NoResetOnClose = true, Enlist = false, MaxAutoPrepare = 0 };
        if (settings.ApplicationName is null)
            settings.ApplicationName = "orleans-cache";
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = settings.ApplicationName };
        // Only what a request asks for: the background work would be a trace every few seconds.
        builder.ConfigureTracing(tracing => tracing.ConfigureCommandFilter(static _ => Activity.Current is not null).EnablePhysicalOpenTracing(false));
        var source = builder.Build();
        try
        {
            return new CatalogDatabase(source, await CatalogSchema.InstallAsync(source, patch, cancel));
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Runs one statement, again after a deadlock, a serialisation failure or a lost connection: every statement here may run twice.
    /// <c>@fn@</c> stands for the schema of the functions. A <paramref name="grouped"/> one that the database refuses is repeated less, and its <see cref="PostgresException"/>
    /// told: who sent it tries a smaller group.
    /// </summary>
    public async Task<T> RunAsync<T>(
        string sql, Action<NpgsqlParameterCollection> bind, Func<NpgsqlDataReader, CancellationToken, Task<T>> read, CancellationToken cancel, bool grouped = false)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (BeforeStatement is { } before)
                await before(sql, cancel);
            try
            {
                await using var connection = await _source.OpenConnectionAsync(cancel);
                await using var command = new NpgsqlCommand(sql.Replace("@fn@", Functions, StringComparison.Ordinal), connection);
                bind(command.Parameters);
                Interlocked.Increment(ref _statements);
                await using var reader = await command.ExecuteReaderAsync(cancel);
                return await read(reader, cancel);
            }
            catch (PostgresException e) when (grouped && !IsOutage(e) && (attempt == MaxGroupedAttempts || !IsWorthRepeating(e) || e.SqlState == LockTimeout))
            {
                throw;
            }
            catch (NpgsqlException e) when (attempt < MaxAttempts && IsWorthRepeating(e))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(5, 20) << attempt), cancel);
            }
            catch (NpgsqlException e) when (e is not PostgresException || IsWorthRepeating(e))
            {
                throw Unavailable(e);
            }
        }
    }

    public Task RunAsync(string sql, Action<NpgsqlParameterCollection> bind, CancellationToken cancel) =>
        RunAsync(sql, bind, static (_, _) => Task.FromResult(true), cancel);

    /// <summary>All rows of a statement.</summary>
    public Task<List<T>> ListAsync<T>(string sql, Action<NpgsqlParameterCollection> bind, Func<NpgsqlDataReader, T> row, CancellationToken cancel) =>
        RunAsync(sql, bind, async (reader, stop) =>
        {
            var rows = new List<T>();
            while (await reader.ReadAsync(stop))
                rows.Add(row(reader));
            return rows;
        }, cancel);

    /// <summary>The first row of a statement that has one.</summary>
    public Task<T> SingleAsync<T>(string sql, Action<NpgsqlParameterCollection> bind, Func<NpgsqlDataReader, T> row, CancellationToken cancel) =>
        RunAsync(sql, bind, async (reader, stop) =>
            await reader.ReadAsync(stop) ? row(reader) : throw new DataException("the statement answered no row"), cancel);

    /// <summary>Reads much out of one snapshot, over one connection. Not repeated: whoever asks knows whether that is worth it.</summary>
    /// <exception cref="CacheProblemException">The database went away: what was read is worth nothing, and all of it may be read again.</exception>
    public async Task<T> SnapshotAsync<T>(Func<NpgsqlConnection, Task<T>> read, CancellationToken cancel)
    {
        if (BeforeStatement is { } before)
            await before("snapshot", cancel);
        try
        {
            await using var connection = await _source.OpenConnectionAsync(cancel);
            await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancel);
            Interlocked.Increment(ref _statements);
            return await read(connection);
        }
        catch (NpgsqlException e) when (e is not PostgresException || IsWorthRepeating(e))
        {
            throw Unavailable(e);
        }
    }

    /// <summary>Has a newer program brought the database to a schema that this one does not know?</summary>
    public Task<bool> IsOutdatedAsync(CancellationToken cancel) =>
        SingleAsync("select exists (select from schema_version where version > $1)", p => p.Add(new NpgsqlParameter<int> { TypedValue = CatalogSchema.Version }), r => r.GetBoolean(0), cancel);

    public Task PingAsync(CancellationToken cancel) => RunAsync("select 1", static _ => { }, cancel);

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    private static CacheProblemException Unavailable(NpgsqlException e) => new(ProblemKind.Unavailable, "The database did not answer in time. Send the same request again.", inner: e);

    // Deadlock, serialisation failure, lock timeout; a unique index met by two at once (what was met is visible the second time); an outage.
    private static bool IsWorthRepeating(NpgsqlException e) => IsOutage(e) || e is PostgresException { SqlState: "40P01" or "40001" or LockTimeout or "23505" };

    // A server that is starting, stopping or failing over; a connection that broke.
    private static bool IsOutage(NpgsqlException e) => e is PostgresException p
        ? p.SqlState is "57P01" or "57P02" or "57P03" or "53300" || p.SqlState.StartsWith("08", StringComparison.Ordinal)
        : e.IsTransient || e.InnerException is IOException or System.Net.Sockets.SocketException or TimeoutException;
}
