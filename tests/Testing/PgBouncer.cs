using Npgsql;

namespace OrleansCache.Testing;

/// <summary>Debian's PgBouncer in transaction mode in front of a PostgreSQL, on a Unix socket.</summary>
public sealed class PgBouncer : IAsyncDisposable
{
    private readonly TempFolder _folder = new("oc-pb-");
    private ProcessRunner? _process;

    private PgBouncer()
    {
    }

    /// <summary>Starts a proxy for all databases of a server.</summary>
    /// <param name="poolSize">Connections to PostgreSQL per database. Few, so that clients really share them.</param>
    public static async Task<PgBouncer> StartAsync(PostgresServer server, int poolSize = 4)
    {
        var bouncer = new PgBouncer();
        var folder = bouncer._folder;
        await File.WriteAllTextAsync(folder["ini"], $"""
            [databases]
            * = host={server.SocketFolder} port={server.Port} user=postgres
            [pgbouncer]
            listen_addr =
            listen_port = 6432
            unix_socket_dir = {folder.Path}
            auth_type = any
            pool_mode = transaction
            default_pool_size = {poolSize}
            max_client_conn = 500
            server_round_robin = 1
            ignore_startup_parameters = extra_float_digits

            """);
        await Unprivileged.OwnAsync(folder.Path);
        bouncer._process = Unprivileged.Start("KILL", Programs.Find("pgbouncer") ?? "pgbouncer", folder["ini"]);
        await Eventually.BecomesTrueAsync(
            async () =>
            {
                await using var connection = new NpgsqlConnection(bouncer.ConnectionString("postgres") + ";Pooling=false");
                await connection.OpenAsync();
                return true;
            },
            describe: () => $"PgBouncer does not answer. Its log:\n{bouncer._process.Errors}");
        return bouncer;
    }

    /// <summary>The way to a database of the server through the proxy.</summary>
    /// <remarks>
    /// <c>No Reset On Close</c>: in transaction mode a DISCARD ALL would go to whichever connection is free.
    /// <c>Max Auto Prepare=0</c>: prepared statements live on a connection, which is another one in the next transaction.
    /// </remarks>
    public string ConnectionString(string database) =>
        $"Host={_folder.Path};Port=6432;Username=postgres;Database={database};No Reset On Close=true;Max Auto Prepare=0;Include Error Detail=true";

    /// <summary>The same database as <paramref name="direct"/>, a connection string of the server, through the proxy.</summary>
    public string Through(string direct) =>
        ConnectionString(new NpgsqlConnectionStringBuilder(direct).Database
            ?? throw new ArgumentException("no Database in it", nameof(direct)));

    public async ValueTask DisposeAsync()
    {
        if (_process is not null) await _process.DisposeAsync();
        _folder.Dispose();
    }
}
