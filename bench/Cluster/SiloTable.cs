using Npgsql;

namespace OrleansCache.Bench.Cluster;

/// <summary>A silo as its cluster's table has it.</summary>
/// <param name="Name">Of this start of it.</param>
/// <param name="Suspicions">Who suspects it, and since when.</param>
internal sealed record SiloRow(string Name, int Status, IReadOnlyList<string> Suspicions)
{
    public bool IsActive => Status == 3;

    public bool IsDead => Status == 6;
}

/// <summary>The table in PostgreSQL by which silos agree who is a member.</summary>
internal sealed class SiloTable(string database) : IAsyncDisposable
{
    public const int Members = 3;

    // As in Fleet.
    private const int Connections = 20;

    private readonly NpgsqlDataSource _source = NpgsqlDataSource.Create(database);

    /// <summary>For the silos.</summary>
    public string ConnectionString { get; } = ForSilos(database);

    /// <summary>All silos that there have been; none before the first has made the schema.</summary>
    public async Task<IReadOnlyList<SiloRow>> ReadAsync()
    {
        await using var command =
            _source.CreateCommand("select port || '/' || generation, status, coalesce(suspect_times, '') from orleans.silo");
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<SiloRow>();
        while (await reader.ReadAsync())
            rows.Add(new SiloRow(reader.GetString(0), reader.GetInt32(1), reader.GetString(2)
                .Split('|', StringSplitOptions.RemoveEmptyEntries)));
        return rows;
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    private static string ForSilos(string database)
    {
        var settings = new NpgsqlConnectionStringBuilder(database) { MaxPoolSize = Connections };
        settings.Remove("Command Timeout");
        return settings.ConnectionString;
    }
}
